import { type UploadedContext, uploadedContexts } from './build-contexts.ts';
import type { BuildSpec } from './build-request.ts';
import { type TimedEntries, timedEntries } from './constants.ts';
import { pushedNames } from './outputs-of.ts';

/** One target of a build, as a build of its own would be. */
export interface TargetSpec {
  /** Undefined if the build has no other. */
  readonly name: string | undefined;
  /** Where its fields are in the request. */
  readonly at: readonly string[];
  readonly spec: BuildSpec;
  /** Ids of its secrets, and their ids in the build, if they differ. */
  readonly renamedSecrets: ReadonlyMap<string, string>;
}

/** A request, or what is stored of it. */
export type TargetsRequest = Omit<BuildSpec, 'secrets'> & {
  readonly secrets: readonly string[] | Readonly<Record<string, string>>;
};

type Target = NonNullable<BuildSpec['bake']>['targets'][string];

/**
 * Returns the targets of a build: the one that its request describes, and then those that are built together with it. What a target doesn't say is as in the
 * request; caches are the request's alone, for they are of the build as a whole.
 */
export function targetSpecs({ secrets: given, ...request }: TargetsRequest): [TargetSpec, ...TargetSpec[]] {
  const { bake, ...rest } = request;
  const ids = Array.isArray(given) ? given : Object.keys(given);
  const own: BuildSpec = { ...rest, secrets: ids };
  if (!bake) return [{ name: undefined, at: [], spec: own, renamedSecrets: new Map() }];
  const named = new Set([bake, ...Object.values(bake.targets)].flatMap(({ secrets }) => Object.values(secrets ?? {})));
  const common = ids.filter((id) => !named.has(id));
  const ofTarget = (
    name: string,
    at: readonly string[],
    spec: BuildSpec,
    secrets: Target['secrets'] = {},
  ): TargetSpec => ({
    ...{ name, at, spec: { ...spec, secrets: [...common, ...Object.keys(secrets)] } },
    renamedSecrets: new Map(Object.entries(secrets)),
  });
  return [
    ofTarget(bake.name, [], own, bake.secrets),
    ...Object.entries(bake.targets).map(([name, { secrets, ...target }]) =>
      ofTarget(name, ['bake', 'targets', name], { ...emptied(own), ...target, secrets: [] }, secrets),
    ),
  ];
}

/** Leaves out what is the request's own target's, and would otherwise be taken for the others'. */
function emptied(spec: BuildSpec): BuildSpec {
  const { target: _, annotations: __, noCacheFilter: ___, extraHosts: ____, buildContexts: _____, ...rest } = spec;
  const { provenance: ______, sbom: _______, cache, ...common } = rest;
  return { ...common, ...(cache && { cache: { mode: cache.mode } }) };
}

/** Sets fields of all targets of a build. */
export function onAllTargets(
  spec: BuildSpec,
  fields: Partial<Pick<BuildSpec, 'output' | 'noCache' | 'noCacheFilter' | 'pull'>>,
): BuildSpec {
  if (!spec.bake) return { ...spec, ...fields };
  const targets = Object.entries(spec.bake.targets).map(([name, target]) => [name, { ...target, ...fields }] as const);
  return { ...spec, ...fields, bake: { ...spec.bake, targets: Object.fromEntries(targets) } };
}

/**
 * Returns a build without the times of its contexts' directories and links, which come with `mtimes: stable`: builds of the same tree are the same without them.
 * Times of named contexts stay, because they are exactly those that a build gets.
 */
export function withoutDirectoryTimes(spec: BuildSpec): BuildSpec {
  if (spec.mtimes === 'submitted') return spec;
  const source = withoutTimes(spec.source);
  if (!spec.bake) return { ...spec, source };
  const targets = Object.entries(spec.bake.targets).map(
    ([name, target]) => [name, { ...target, source: withoutTimes(target.source) }] as const,
  );
  return { ...spec, source, bake: { ...spec.bake, targets: Object.fromEntries(targets) } };
}

function withoutTimes(source: BuildSpec['source']): BuildSpec['source'] {
  if (source.type !== 'upload') return source;
  const { times: _, ...rest } = source;
  return rest;
}

/** Returns the names under which all targets of a build push their images. */
export function tagsToPush(spec: BuildSpec): string[] {
  return [...new Set(targetSpecs(spec).flatMap((target) => pushedNames(target.spec)))];
}

/** Something of a team's stored trees that a build needs. */
export interface UploadedTree extends Omit<UploadedContext, 'name'> {
  /** The field that names it. */
  readonly at: readonly string[];
  /** Path of the Dockerfile in it, if it is a target's context. */
  readonly dockerfile?: string;
  /** Of which entries `times` has the times. */
  readonly timed: TimedEntries;
}

/** Returns the uploaded directories of all targets of a build except its own context: further contexts, and those of further targets. */
export function uploadedTrees(spec: TargetsRequest): UploadedTree[] {
  return targetSpecs(spec).flatMap(({ at, spec: { source, dockerfile, buildContexts } }) => {
    const contexts = uploadedContexts(buildContexts).map(({ name, ...tree }) => ({
      ...tree,
      at: [...at, 'buildContexts', name],
      timed: 'all' as const,
    }));
    if (at.length === 0 || source.type !== 'upload' || source.digest === undefined) return contexts;
    const { digest, times } = source;
    return [{ digest, times, at: [...at, 'source'], dockerfile, timed: timedEntries(spec) }, ...contexts];
  });
}
