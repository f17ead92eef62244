import { z } from 'zod';
import { secretName } from './fields.ts';

export const MAX_BAKE_TARGETS = 63;

/** As buildx allows it. */
export const bakeTargetName = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, 'the name of a target: letters, digits, _ -');

export const targetSecrets = z.record(secretName, secretName).optional().meta({
  description:
    'Ids of secrets in the target, with their ids in the request’s `secrets`. Secrets that no target names here are for all of them.',
});

interface Linked {
  readonly buildContexts?: Readonly<Record<string, { readonly type: string; readonly name?: string }>> | undefined;
  readonly secrets?: unknown;
}

interface BakeRequest extends Linked {
  readonly secrets: Readonly<Record<string, unknown>> | readonly string[];
  readonly bake?:
    | {
        readonly name: string;
        readonly secrets?: Readonly<Record<string, string>> | undefined;
        readonly targets: Readonly<
          Record<string, Linked & { readonly secrets?: Readonly<Record<string, string>> | undefined }>
        >;
      }
    | undefined;
}

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly expected: string;
  readonly input: unknown;
}

/** Returns what is wrong with the names by which targets refer to each other, and to secrets. */
export function bakeFaults(request: BakeRequest): Fault[] {
  const { bake } = request;
  const faults: Fault[] = [];
  const all = new Map<string, { at: readonly string[]; links: ReadonlyMap<string, string> }>();
  all.set(bake?.name ?? '', { at: [], links: linksOf(request) });
  for (const [name, target] of Object.entries(bake?.targets ?? {})) {
    const at = ['bake', 'targets', name];
    if (name === bake?.name) faults.push({ path: at, expected: 'a name other than bake.name', input: name });
    else all.set(name, { at, links: linksOf(target) });
  }
  for (const [name, { at, links }] of all) {
    for (const [context, linked] of links) {
      const path = [...at, 'buildContexts', context, 'name'];
      if (!all.has(linked)) faults.push({ path, expected: 'bake.name, or a name in bake.targets', input: linked });
      else if (reaches(linked, name, all))
        faults.push({ path, expected: `a target that doesn’t use the result of ${name}`, input: linked });
    }
  }
  const ids = new Set(Array.isArray(request.secrets) ? request.secrets : Object.keys(request.secrets));
  const maps = [
    [['bake', 'secrets'], bake?.secrets] as const,
    ...Object.entries(bake?.targets ?? {}).map(
      ([name, { secrets }]) => [['bake', 'targets', name, 'secrets'], secrets] as const,
    ),
  ];
  for (const [path, secrets] of maps) {
    for (const [id, input] of Object.entries(secrets ?? {})) {
      if (!ids.has(input)) faults.push({ path: [...path, id], expected: 'the id of a secret of the build', input });
    }
  }
  return faults;
}

function linksOf({ buildContexts = {} }: Linked): ReadonlyMap<string, string> {
  const links = new Map<string, string>();
  for (const [context, { type, name = '' }] of Object.entries(buildContexts)) {
    if (type === 'target') links.set(context, name);
  }
  return links;
}

/** Whether a target uses another one's result, or is that one. */
function reaches(
  from: string,
  to: string,
  all: ReadonlyMap<string, { readonly links: ReadonlyMap<string, string> }>,
  seen = new Set<string>(),
): boolean {
  if (from === to) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return [...(all.get(from)?.links.values() ?? [])].some((next) => reaches(next, to, all, seen));
}
