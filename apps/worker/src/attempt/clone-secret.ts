import type { BuildSpec } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import { type ConnectionTokens, cloneCredentials, gitSecret } from '@kiln/forges';
import type { ConnectionStore } from '@kiln/state';

export interface CloneSecretDeps {
  readonly connections: Pick<ConnectionStore, 'get'>;
  readonly tokens: Pick<ConnectionTokens, 'git'>;
  readonly now: () => number;
}

export interface CloneSecret {
  /** Build secrets that replace those of the same names in the build’s request. */
  readonly values: Readonly<Record<string, string>>;
  /** Texts that logs must not show. */
  readonly hidden: readonly string[];
  readonly warnings: readonly string[];
}

/** A token that comes with a build is valid for at least 30 minutes from its acceptance (`ConnectionTokens`), of which the clone gets 10. */
const ACCEPTED_TOKEN_MS = 20 * 60_000;
const NOTHING: CloneSecret = { values: {}, hidden: [], warnings: [] };

/**
 * Gets the present credentials of the connection that a build clones with. Those in its request may have expired while it waited,
 * or with the build that it retries. If that fails, the build keeps those it has, and a warning says why.
 */
export async function cloneSecret(
  { connections, tokens, now }: CloneSecretDeps,
  { team, clonesWith, retryOf, createdAt }: BuildRecord,
  { source, secrets }: Pick<BuildSpec, 'source' | 'secrets'>,
  signal: AbortSignal,
): Promise<CloneSecret> {
  if (!clonesWith || source.type !== 'git') return NOTHING;
  if (retryOf === undefined && now() - createdAt < ACCEPTED_TOKEN_MS) return NOTHING;
  const { connection: name, repository } = clonesWith;
  try {
    const connection = await connections.get(name);
    const asked = { url: source.url, repository, team };
    const credentials = connection && (await cloneCredentials(asked, connection, tokens, signal));
    const values = gitSecret(source.url, credentials);
    // The secrets that a build may have were decided at its acceptance.
    const isItsOwn = Object.keys(values).every((id) => secrets.includes(id));
    return credentials && isItsOwn ? { values, hidden: [credentials.token], warnings: [] } : NOTHING;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      ...NOTHING,
      warnings: [`the build clones with the token it came with, because connection ${name} gave no new one: ${why}`],
    };
  }
}
