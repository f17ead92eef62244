import { ANONYMOUS, type Principal, tokenKind } from '@kiln/domain';
import type { SessionStore, StoredToken, TokenStore } from '@kiln/state';
import type { Request } from 'express';
import type { Logger } from 'pino';
import { instant } from '../http/answer.ts';
import { within } from '../http/deadline.ts';
import { unauthorized } from '../http/unauthorized.ts';
import { looksLikeJwt } from '../oidc/verify-token.ts';
import { bearerToken } from './bearer-token.ts';
import type { Cookies } from './cookies.ts';
import { checkSameOrigin } from './same-origin.ts';

export interface AuthenticatorDeps {
  /** Verifies OIDC tokens; undefined if no issuer is configured. */
  readonly verifyJwt: ((token: string) => Promise<Principal>) | undefined;
  readonly local: (token: string) => Principal | undefined;
  readonly tokens: Pick<TokenStore, 'find' | 'isUseStale' | 'noteUse'>;
  readonly sessions: Pick<SessionStore, 'find'>;
  readonly cookies: Cookies;
  readonly publicUrl: string;
  readonly storeTimeoutMs: number;
  readonly now: () => number;
  readonly log: Logger;
}

/** Identifies the caller of a request: `ANONYMOUS` without a credential. @throws ApiProblem `unauthorized` for an invalid credential */
export type Authenticate = (request: Pick<Request, 'get' | 'method'>) => Promise<Principal>;

export function authenticator(deps: AuthenticatorDeps): Authenticate {
  return async (request) => {
    const header = request.get('authorization');
    if (header === undefined) return sessionPrincipal(request, deps);
    const token = bearerToken(request);
    if (token === undefined) throw unauthorized('no bearer token was sent', { isMissing: true });
    return deps.local(token) ?? (looksLikeJwt(token) ? verified(token, deps) : storedPrincipal(token, deps));
  };
}

/** Identifies the caller by the session cookie, if any. @throws ApiProblem `unauthorized`; `forbidden` for a request from another site */
async function sessionPrincipal(
  request: Pick<Request, 'get' | 'method'>,
  { sessions, cookies, publicUrl, storeTimeoutMs }: AuthenticatorDeps,
): Promise<Principal> {
  const secret = cookies.read(request.get('cookie'), cookies.session);
  if (secret === undefined || publicUrl === '') return ANONYMOUS;
  const principal = await within(storeTimeoutMs, sessions.find(secret));
  if (!principal) throw unauthorized('the session has ended: log in again at /auth/login');
  checkSameOrigin(request, publicUrl);
  return principal;
}

async function verified(token: string, { verifyJwt }: AuthenticatorDeps): Promise<Principal> {
  if (verifyJwt) return verifyJwt(token);
  throw unauthorized('OIDC tokens are not accepted: no issuer is configured (KILN_OIDC_FILE)');
}

async function storedPrincipal(
  text: string,
  { tokens, sessions, storeTimeoutMs, now, log }: AuthenticatorDeps,
): Promise<Principal> {
  const kind = tokenKind(text);
  if (kind === 'mistyped') throw unauthorized('the bearer token is mistyped or truncated: its checksum is wrong');
  if (kind === 'session') {
    const principal = await within(storeTimeoutMs, sessions.find(text));
    if (!principal) throw unauthorized('the login has ended: log in again with kiln login');
    return principal;
  }
  const token = kind === undefined ? undefined : await within(storeTimeoutMs, tokens.find(text));
  if (!token) throw unauthorized('the bearer token is unknown to this Kiln, or was revoked');
  if (token.expiresAt !== undefined && token.expiresAt <= now()) {
    throw unauthorized(`the token ${token.id} (${token.name}) expired at ${instant(token.expiresAt)}`);
  }
  // In the background: neither its duration nor its failure affects the request.
  if (tokens.isUseStale(token)) {
    tokens
      .noteUse(text)
      .catch((error: unknown) => log.warn({ err: error, tokenId: token.id }, 'last use of token not recorded'));
  }
  return principalOf(token);
}

function principalOf({ id, kind, name, team, scopes, trust, expiresAt }: StoredToken): Principal {
  return {
    kind: kind === 'worker' ? 'worker' : 'token',
    ...{ id, name, team, scopes, trust },
    ...(expiresAt !== undefined && { expiresAt }),
  };
}
