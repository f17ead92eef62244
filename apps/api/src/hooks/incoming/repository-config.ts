import { type ForgeRepository, type KilnConfig, REPOSITORY_PLACEHOLDER, type RepoSettings } from '@kiln/contracts';
import { matchGlobs } from '@kiln/domain';
import type { Occasion } from '@kiln/forges';
import type { GitSource } from '@kiln/git';
import type { StoredConnection } from '@kiln/state';

/** The settings of a repository; undefined if the connection may not build it. */
export function settingsFor(connection: StoredConnection, { fullName }: ForgeRepository): RepoSettings | undefined {
  const entry = connection.repositories.find(({ match }) => matchGlobs(match, fullName).matches);
  if (!entry) return undefined;
  const { match: _, cloneUrl, ...settings } = entry;
  return {
    ...settings,
    team: connection.team,
    ...(cloneUrl !== undefined && { cloneUrl: cloneUrl.replaceAll(REPOSITORY_PLACEHOLDER, fullName) }),
  };
}

/** Whether any image has a path filter. */
export function asksForPaths(config: KilnConfig): boolean {
  return config.images.some((image) => image.paths !== undefined || image['paths-ignore'] !== undefined);
}

/** The build secret with which the worker and BuildKit clone the source. */
export function gitSecret(occasion: Occasion, credentials: GitSource['credentials']): Record<string, string> {
  if (!credentials) return {};
  const { user, token } = credentials;
  const basic = Buffer.from(`${user}:${token}`).toString('base64');
  return { [`GIT_AUTH_HEADER.${new URL(occasion.source.url).host}`]: `basic ${basic}` };
}
