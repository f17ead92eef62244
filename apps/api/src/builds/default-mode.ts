import type { BuildSpec } from '@kiln/contracts';
import { type CacheMode, repoKey, repoOrigin } from '@kiln/domain';
import type { ModeDefaults } from '@kiln/state';

type Source = Pick<BuildSpec, 'source' | 'dockerfile'>;

/**
 * Returns the cache mode that is set for a build's repo, or else for its whole repository; undefined if neither has one.
 * @throws the store's errors
 */
export async function defaultMode(
  build: Source & Pick<BuildSpec, 'team'>,
  modeDefaults: Pick<ModeDefaults, 'first'>,
): Promise<CacheMode | undefined> {
  const set = await modeDefaults.first(build.team, [repoOf(build), repoOrigin(originOf(build))]);
  return set?.mode;
}

/** Returns the affinity key of a build. */
export function repoOf({ source, dockerfile }: Source): string {
  const subdir = source.type === 'git' ? source.subdir : undefined;
  return repoKey({ origin: originOf({ source }), subdir, dockerfile });
}

function originOf({ source }: Pick<Source, 'source'>): string {
  return source.type === 'git' ? source.url : source.name;
}
