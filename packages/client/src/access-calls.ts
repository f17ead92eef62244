import type {
  AuditEntry,
  CliLoginView,
  CreatedToken,
  LimitChange,
  LimitList,
  LimitView,
  LoginCode,
  OwnLimits,
  ResealReport,
  SecretOrderInput,
  SecretView,
  TokenRequest,
  TokenView,
  WhoamiView,
} from '@kiln/contracts';
import { jsonBody } from './api-calls.ts';
import { type AuditOptions, readAudit } from './audit.ts';
import { HostCalls } from './host-calls.ts';
import { readText } from './http-answer.ts';
import type { CallOptions, SecretFilter, SecretName } from './options.ts';

/** The methods of `KilnClient` about who may do what: identity, tokens, secrets, limits, the audit log. */
export class AccessCalls extends HostCalls {
  /** Returns the identity of this client's token. */
  whoami({ signal }: CallOptions = {}): Promise<WhoamiView> {
    return this.json('/v1/whoami', 'whoamiView', { signal });
  }

  /** Creates a code that logs a browser in once, within ten minutes: open `<url>/#login=<code>`. */
  createLoginCode({ signal }: CallOptions = {}): Promise<LoginCode> {
    return this.json('/auth/codes', 'loginCode', { method: 'POST', signal });
  }

  /** Returns whether a person has approved the login with this code, and where that is done. Throws a `KilnProblem` with code `not_found` if the server has no login. */
  cliLogin(code: string, { signal }: CallOptions = {}): Promise<CliLoginView> {
    return this.json('/auth/cli/state', 'cliLoginView', { query: { code }, signal });
  }

  /** Ends the session of this client's token, if `kiln login` made it. Any other token stays valid. */
  async logout({ signal }: CallOptions = {}): Promise<void> {
    await readText(await this.transport.call('/auth/logout', { method: 'POST', signal }));
  }

  /** Creates a token. Only this answer contains the token itself. Needs the scope `admin`, as do `tokens` and `revokeToken`. */
  createToken(request: TokenRequest, { signal }: CallOptions = {}): Promise<CreatedToken> {
    return this.json('/v1/tokens', 'createdToken', { method: 'POST', ...jsonBody(request), signal });
  }

  /** Lists the tokens that aren't revoked, oldest first. */
  async tokens({ signal }: CallOptions = {}): Promise<TokenView[]> {
    return (await this.json('/v1/tokens', 'tokenList', { signal })).tokens;
  }

  /** Revokes a token. Throws a `KilnProblem` with code `token_not_found` if it doesn't exist. */
  revokeToken(id: string, { signal }: CallOptions = {}): Promise<TokenView> {
    return this.json(`/v1/tokens/${encodeURIComponent(id)}`, 'tokenView', { method: 'DELETE', signal });
  }

  /** Stores a secret, a registry login or a git token, replacing the one of the same name. Needs the scope `secrets:write`. */
  setSecret(order: SecretOrderInput, { signal }: CallOptions = {}): Promise<SecretView> {
    return this.json('/v1/secrets', 'secretView', { method: 'PUT', ...jsonBody(order), signal });
  }

  /** Lists the secrets of one team, or of every team that the token can see, without their values. */
  async secrets({ signal, ...query }: CallOptions & SecretFilter = {}): Promise<SecretView[]> {
    return (await this.json('/v1/secrets', 'secretList', { query, signal })).secrets;
  }

  /** Removes a secret. Throws a `KilnProblem` with code `secret_not_found` if it doesn't exist. */
  removeSecret({ kind, name, team, repo }: SecretName, { signal }: CallOptions = {}): Promise<SecretView> {
    const query = { kind, name, team, repo };
    return this.json('/v1/secrets', 'secretView', { method: 'DELETE', query, signal });
  }

  /** Reseals every secret with the first key and reports those that can't be opened. Needs the scope `admin`. */
  resealSecrets({ signal }: CallOptions = {}): Promise<ResealReport> {
    return this.json('/v1/secrets/reseal', 'resealReport', { method: 'POST', signal });
  }

  /** Returns the limits of this client's token and its team, with their current use. */
  limits({ signal }: CallOptions = {}): Promise<OwnLimits> {
    return this.json('/v1/limits', 'ownLimits', { signal });
  }

  /** Returns the limits of all teams and tokens. Needs the scope `admin`, as does `setLimits`. */
  allLimits({ signal }: CallOptions = {}): Promise<LimitList> {
    return this.json('/v1/limits/all', 'limitList', { signal });
  }

  /** Sets limits of a team, or of a token given by its id; null restores a default. */
  setLimits(
    kind: 'team' | 'token',
    name: string,
    change: LimitChange,
    { signal }: CallOptions = {},
  ): Promise<LimitView> {
    const path = `/v1/limits/${kind}s/${encodeURIComponent(name)}`;
    return this.json(path, 'limitView', { method: 'PATCH', ...jsonBody(change), signal });
  }

  /** Yields the audit log entry by entry, oldest first. Needs the scope `admin`. See `readAudit` in audit.ts. */
  audit(options: AuditOptions = {}): AsyncGenerator<AuditEntry> {
    return readAudit(this.transport, this.deps, options);
  }
}
