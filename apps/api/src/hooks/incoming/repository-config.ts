import { type ForgeRepository, type KilnConfig, REPOSITORY_PLACEHOLDER, type RepoSettings } from '@kiln/contracts';
import { matchGlobs } from '@kiln/domain';
import type { Occasion } from '@kiln/forges';
import type { StoredConnection } from '@kiln/state';

/** What a connection says of a repository; undefined where it may not build that one. */
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

/**
 * Why a URL that came with a webhook isn't fetched from: only the connection's own site, and what its operator has named, get requests
 * and credentials.
 */
export function foreignSource(
  url: string,
  connection: StoredConnection,
  { cloneUrl }: RepoSettings,
): string | undefined {
  const own = [connection.url, ...(cloneUrl === undefined ? [] : [cloneUrl])].map((one) => new URL(one).origin);
  if (own.includes(new URL(url).origin)) return undefined;
  return `its source ${url} isn’t at ${connection.url}, where connection ${connection.name} clones from`;
}

/** Whether any image asks which paths have changed. */
export function asksForPaths(config: KilnConfig): boolean {
  return config.images.some((image) => image.paths !== undefined || image['paths-ignore'] !== undefined);
}

/** How the repository's server is shown who asks. */
export function gitCredentials({ secrets, gitUser }: StoredConnection): { user: string; token: string } | undefined {
  return secrets.git === undefined ? undefined : { user: gitUser, token: secrets.git };
}

/** The build secret by which BuildKit, and the worker before it, clone the source. */
export function gitSecret(occasion: Occasion, connection: StoredConnection): Record<string, string> {
  const credentials = gitCredentials(connection);
  if (!credentials) return {};
  const { user, token } = credentials;
  const basic = Buffer.from(`${user}:${token}`).toString('base64');
  return { [`GIT_AUTH_HEADER.${new URL(occasion.source.url).host}`]: `basic ${basic}` };
}
