import { type BuildRequestInput, timedEntries } from '@kiln/contracts';
import { UsageError } from '../../io/errors.ts';
import type { PreparedBuild } from '../build/prepare-build.ts';
import { type SendNamedDeps, sendNamedContexts, sendTree } from '../build/submit/send-named.ts';
import type { BakeTarget } from './bake-target.ts';

/** A target that is ready to be submitted. */
export interface PreparedTarget {
  readonly target: BakeTarget;
  readonly prepared: PreparedBuild;
}

type Targets = readonly [PreparedTarget, ...PreparedTarget[]];
type Bake = NonNullable<BuildRequestInput['bake']>;
type Input = Bake['targets'][string];

/** Refuses what several targets of one build can't have. @throws UsageError */
export function checkLinked(targets: Targets): void {
  if (targets.length === 1) return;
  const piped = targets.find(({ prepared }) => prepared.source.tar);
  if (piped)
    throw new UsageError(
      `target ${piped.target.name}: a context from standard input cannot be linked to other targets`,
    );
  const called = targets.find(({ prepared }) => prepared.request.call);
  if (called) throw new UsageError(`target ${called.target.name}: call is not supported for linked targets`);
  const privileged = targets.find(({ prepared: { request } }) => request.entitlements || request.networkMode);
  if (privileged)
    throw new UsageError(
      `target ${privileged.target.name}: network and entitlements are not supported for linked targets`,
    );
  const piping = targets.filter(({ prepared }) => prepared.plan.destinations?.some(({ type }) => type === 'stdout'));
  if (piping.length > 1)
    throw new UsageError(
      `targets ${piping.map(({ target }) => target.name).join(' and ')}: only one can write to standard output; give the others a dest=`,
    );
}

/** Returns what is worth a warning in the targets of one build. */
export function linkedWarnings([own, ...others]: Targets): string[] {
  return others.flatMap(({ target: { name }, prepared: { request } }) =>
    request.cache?.to?.length
      ? [
          `target ${name}: cache-to is not used, because it is linked to ${own.target.name}, whose caches include its steps`,
        ]
      : [],
  );
}

/**
 * Returns the request of a build that makes all of the targets, after sending the files of those that aren't its own target: `submit` sends that one's.
 * @throws as `sendNamedContexts`
 */
export async function linkedRequest(targets: Targets, deps: SendNamedDeps): Promise<BuildRequestInput> {
  const [own, ...others] = targets;
  const secrets = new SharedSecrets();
  const ownSecrets = secrets.add(own.prepared.request);
  const made: Record<string, Input> = {};
  for (const { target, prepared } of others) {
    const { request, source, contexts } = prepared;
    const named = { ...(await sendNamedContexts(contexts, deps)), ...linkedContexts(target) };
    made[target.name] = {
      ...targetFields(request),
      source: source.context ? await sentSource(target.name, prepared, deps) : request.source,
      ...(Object.keys(named).length > 0 && { buildContexts: named }),
      ...optional('secrets', secrets.add(request)),
    };
  }
  const { request } = own.prepared;
  const logins = new Map(
    targets.flatMap(({ prepared }) => prepared.request.registryLogins ?? []).map((one) => [one.registry, one]),
  );
  const from = [
    ...new Map(
      targets.flatMap(({ prepared }) => prepared.request.cache?.from ?? []).map((one) => [JSON.stringify(one), one]),
    ).values(),
  ];
  return {
    ...request,
    secrets: secrets.values,
    ...(secrets.binary.size > 0 && { binarySecrets: [...secrets.binary] }),
    ...(logins.size > 0 && { registryLogins: [...logins.values()] }),
    ...(from.length > 0 && { cache: { ...request.cache, from } }),
    ...(Object.keys(own.target.links).length > 0 && { buildContexts: linkedContexts(own.target) }),
    bake: { name: own.target.name, ...optional('secrets', ownSecrets), targets: made },
  };
}

function linkedContexts({ links }: BakeTarget): NonNullable<BuildRequestInput['buildContexts']> {
  return Object.fromEntries(
    Object.entries(links).map(([context, name]) => [context, { type: 'target', name } as const]),
  );
}

async function sentSource(
  name: string,
  { request, source: { context } }: PreparedBuild,
  deps: SendNamedDeps,
): Promise<BuildRequestInput['source']> {
  if (!context || request.source.type !== 'upload') throw new Error(`target ${name} has no directory to send`);
  const { digest, times } = await sendTree(name, { ...context, times: timedEntries(request) }, deps);
  return { ...request.source, digest, ...(times !== undefined && { times }) };
}

/** Leaves out what is common to all targets of a build. */
function targetFields(request: BuildRequestInput): Omit<Input, 'source' | 'buildContexts' | 'secrets'> {
  const { dockerfile, target, buildArgs, labels, platforms, tags, output, annotations, noCache, noCacheFilter } =
    request;
  const { extraHosts, pull, resources, provenance, sbom } = request;
  return {
    ...{ buildArgs, labels, platforms, tags, output, noCache, pull, resources },
    ...optional('dockerfile', dockerfile),
    ...optional('target', target),
    ...optional('annotations', annotations),
    ...optional('noCacheFilter', noCacheFilter),
    ...optional('extraHosts', extraHosts),
    ...optional('provenance', provenance),
    ...optional('sbom', sbom),
  };
}

function optional<K extends string, T>(key: K, value: T | undefined): { [key in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]: T });
}

/** The secrets of all targets of a build. Targets may have different values under the same id. */
class SharedSecrets {
  readonly values: Record<string, string> = {};
  /** Ids of those that are in base64. */
  readonly binary = new Set<string>();

  /** Adds those of a target. Returns its ids with those in the build; undefined if it has none. */
  add({ secrets = {}, binarySecrets = [] }: Pick<BuildRequestInput, 'secrets' | 'binarySecrets'>) {
    const entries = Object.entries(secrets).map(
      ([id, value]) => [id, this.#idFor(id, value, binarySecrets.includes(id))] as const,
    );
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }

  #idFor(id: string, value: string, isBinary: boolean): string {
    for (let i = 1; ; i += 1) {
      const name = i === 1 ? id : `${id}.${i}`;
      if (this.values[name] === undefined && isBinary) this.binary.add(name);
      this.values[name] ??= value;
      if (this.values[name] === value && this.binary.has(name) === isBinary) return name;
    }
  }
}
