import { type Connection, settingsFor } from './connection.ts';
import type { CloneCredentials, ConnectionTokens } from './connection-tokens.ts';
import { foreignSource } from './foreign-source.ts';

/** The build secret with which the worker and BuildKit clone a source. */
export function gitSecret(url: string, credentials: CloneCredentials | undefined): Record<string, string> {
  if (!credentials) return {};
  const { user, token } = credentials;
  const basic = Buffer.from(`${user}:${token}`).toString('base64');
  return { [`GIT_AUTH_HEADER.${new URL(url).host}`]: `basic ${basic}` };
}

/**
 * Returns the credentials with which a build's source is cloned now; undefined if the connection no longer lends any: another team has it,
 * it doesn't cover the repository any more, or the source isn't at its site.
 * @throws NoInstallationToken
 */
export async function cloneCredentials(
  { url, repository, team }: { readonly url: string; readonly repository: string; readonly team: string },
  connection: Connection,
  tokens: Pick<ConnectionTokens, 'git'>,
  signal: AbortSignal,
): Promise<CloneCredentials | undefined> {
  const settings = settingsFor(connection, { fullName: repository });
  if (!settings || connection.team !== team || foreignSource(url, connection, settings) !== undefined) return undefined;
  return await tokens.git(connection, repository, signal);
}
