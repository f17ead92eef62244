import { proxyArgs } from '../settings/proxy.ts';
import { bakeDefinition } from './bake-definition.ts';
import { type BuildxInvocation, buildxArguments, type SecretPlace } from './buildx-arguments.ts';
import type { RunFiles } from './run-files.ts';
import type { RunHost } from './run-host.ts';
import type { PreparedTarget } from './target-contexts.ts';

/** Versions of buildx since 0.19 ask before a bake file may name files outside of its directory. Kiln itself has written this one. */
export const BAKE_ENV = ['BUILDX_BAKE_ENTITLEMENTS_FS=0'] as const;

/** Returns the argument list of `docker-buildx` for a build of several targets, and writes the bake file that it names. */
export async function bakeArguments(
  host: Pick<RunHost, 'proxy'>,
  own: BuildxInvocation,
  targets: readonly PreparedTarget[],
  files: Pick<RunFiles, 'placeBakeFile'>,
): Promise<string[]> {
  const ofOne = new Set(targets.flatMap(({ renamedSecrets }) => [...renamedSecrets.values()]));
  const builds = targets.map(({ name = '', spec, renamedSecrets, context, contextDirs }, i) => {
    const invocation: BuildxInvocation = {
      ...own,
      ...{ spec, context, contextDirs },
      secrets: secretsOf(own.secrets, renamedSecrets, ofOne),
      // What is exported for the request's own target includes the steps of those that it uses.
      ...(i > 0 && { cacheFlags: (own.cacheFlags ?? []).filter((flag) => flag.startsWith('--cache-from=')) }),
      proxyArgs: proxyArgs(host.proxy, spec.buildArgs),
    };
    return [name, buildxArguments(invocation)] as const;
  });
  const file = await files.placeBakeFile(bakeDefinition(new Map(builds)));
  return [
    'bake',
    `--builder=${own.builder}`,
    '--progress=rawjson',
    `--metadata-file=${own.metadataFile}`,
    `--file=${file}`,
    ...builds.map(([name]) => name),
  ];
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
