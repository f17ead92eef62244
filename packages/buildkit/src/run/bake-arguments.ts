import { artifactsOf, type BuildSpec } from '@kiln/contracts';
import { proxyArgs } from '../settings/proxy.ts';
import { bakeDefinition } from './bake-definition.ts';
import { type BuildxInvocation, buildxArguments, type SecretPlace } from './buildx-arguments.ts';
import type { RunFiles } from './run-files.ts';
import type { RunHost } from './run-host.ts';
import type { PreparedTarget } from './target-contexts.ts';

/** Versions of buildx since 0.19 ask before a bake file may name files outside of its directory. Kiln itself has written this one. */
export const BAKE_ENV = ['BUILDX_BAKE_ENTITLEMENTS_FS=0'] as const;

/** Argument lists of `docker-buildx`. */
export interface BakeArguments {
  readonly argv: readonly string[];
  /** For repeating the pushes of a build that has ended, from its caches. */
  readonly argvAgain: string[];
}

/** Returns the argument lists of `docker-buildx` for a build of several targets, and writes the bake files that they name. */
export async function bakeArguments(
  host: Pick<RunHost, 'proxy'>,
  own: BuildxInvocation,
  targets: readonly PreparedTarget[],
  files: Pick<RunFiles, 'placeBakeFile'>,
): Promise<BakeArguments> {
  const ofOne = new Set(targets.flatMap(({ renamedSecrets }) => [...renamedSecrets.values()]));
  const outputFiles = filesOfTargets(targets, own.outputFiles ?? []);
  const buildOf = (changed: Partial<BuildSpec>) =>
    targets.map(({ name = '', spec, renamedSecrets, context, contextDirs }, i) => {
      const invocation: BuildxInvocation = {
        ...own,
        ...{ spec: { ...spec, ...changed }, context, contextDirs },
        secrets: secretsOf(own.secrets, renamedSecrets, ofOne),
        outputFiles: outputFiles[i] ?? [],
        engineImages: [own.engineImages?.[i]],
        // What is exported for the request's own target includes the steps of those that it uses.
        ...(i > 0 && { cacheFlags: (own.cacheFlags ?? []).filter((flag) => flag.startsWith('--cache-from=')) }),
        proxyArgs: proxyArgs(host.proxy, spec.buildArgs),
      };
      return [name, buildxArguments(invocation)] as const;
    });
  const argvOf = async (file: string, changed: Partial<BuildSpec>) => {
    const builds = buildOf(changed);
    const path = await files.placeBakeFile(file, bakeDefinition(new Map(builds)));
    const flags = [`--builder=${own.builder}`, '--progress=rawjson', `--metadata-file=${own.metadataFile}`];
    return ['bake', ...flags, `--file=${path}`, ...builds.map(([name]) => name)];
  };
  const again = { noCache: false, noCacheFilter: [], pull: false };
  return { argv: await argvOf('bake.json', {}), argvAgain: await argvOf('bake-again.json', again) };
}

/** Returns the files of each target's artifacts. @param all of the build, in the order of the targets; empty if the only one goes to standard output */
function filesOfTargets(targets: readonly PreparedTarget[], all: readonly string[]): readonly (readonly string[])[] {
  let used = 0;
  return targets.map(({ spec }) => {
    const count = artifactsOf(spec.output).length;
    used += count;
    return all.slice(used - count, used);
  });
}

/** Returns the secrets of a target: those for all targets, and its own under the ids that it has for them. */
function secretsOf(
  places: readonly SecretPlace[],
  renamed: ReadonlyMap<string, string>,
  ofOne: ReadonlySet<string>,
): SecretPlace[] {
  const common = places.filter(({ id }) => !ofOne.has(id));
  const own = [...renamed].flatMap(([id, given]) =>
    places.flatMap((place) => (place.id === given ? [{ ...place, id }] : [])),
  );
  return [...common.filter(({ id }) => !renamed.has(id)), ...own];
}
