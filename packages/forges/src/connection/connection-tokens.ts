import { type InstallationToken, installationToken, type TokenPurpose } from '../github/app-token.ts';
import type { Connection } from './connection.ts';

/** With which a repository is cloned over HTTP. */
export interface CloneCredentials {
  readonly user: string;
  readonly token: string;
}

export interface ConnectionTokensDeps {
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  readonly now: () => number;
}

/** A token that expires sooner isn't handed out: a request, or a build that waits for a host, has to have time to use it, ms. */
const LEFT_MS: Readonly<Record<TokenPurpose, number>> = { api: 5 * 60_000, git: 30 * 60_000 };
const MAX_CACHED = 500;

/**
 * The tokens with which connections report statuses and clone: those that operators have set, else installation tokens of a GitHub App,
 * which are valid for one repository and an hour. Those are cached in memory.
 */
export class ConnectionTokens {
  readonly #deps: ConnectionTokensDeps;
  readonly #cached = new Map<string, Promise<InstallationToken>>();

  constructor(deps: ConnectionTokensDeps) {
    this.#deps = deps;
  }

  /** The token with which statuses are reported; undefined if none are. @throws NoInstallationToken */
  async api(connection: Connection, repository: string, signal: AbortSignal): Promise<string | undefined> {
    return connection.secrets.api ?? (await this.#ofApp(connection, repository, 'api', signal));
  }

  /** The credentials with which a repository is cloned, if any. @throws NoInstallationToken */
  async git(connection: Connection, repository: string, signal: AbortSignal): Promise<CloneCredentials | undefined> {
    const { secrets, gitUser: user } = connection;
    if (secrets.git !== undefined) return { user, token: secrets.git };
    const token = await this.#ofApp(connection, repository, 'git', signal);
    return token === undefined ? undefined : { user: APP_USER, token };
  }

  async #ofApp(
    { name, apiUrl, updatedAt, secrets: { app } }: Connection,
    repository: string,
    purpose: TokenPurpose,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (!app) return undefined;
    // A connection that was changed may have another key.
    const key = JSON.stringify([name, updatedAt, repository, purpose]);
    const { fetch, timeoutMs, now } = this.#deps;
    const cached = await this.#cached.get(key)?.catch(() => undefined);
    if (cached && cached.expiresAt - now() > LEFT_MS[purpose]) return cached.token;
    const making = installationToken({ app, apiUrl, repository, purpose }, { fetch, timeoutMs, nowMs: now(), signal });
    this.#cached.delete(key);
    this.#cached.set(key, making);
    const [oldest] = this.#cached.keys();
    if (this.#cached.size > MAX_CACHED && oldest !== undefined) this.#cached.delete(oldest);
    return (await making).token;
  }
}

/** The user name that GitHub documents for cloning with an installation token. */
const APP_USER = 'x-access-token';

/** Whether statuses of a connection's commits are reported at all. */
export function reportsStatuses({ secrets }: Connection): boolean {
  return secrets.api !== undefined || secrets.app !== undefined;
}
