import { ANONYMOUS, type Principal, tokenKind } from '@kiln/domain';
import type { Sealer, SessionStore, StoredToken, TokenStore } from '@kiln/state';
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
  readonly sealer: Pick<Sealer, 'open'>;
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
    return byToken(token, deps);
  };
}

async function byToken(token: string, deps: AuthenticatorDeps): Promise<Principal> {
  return deps.local(token) ?? (looksLikeJwt(token) ? verified(token, deps) : storedPrincipal(token, deps));
}

const SEAL_CONTEXT = 'session token';

/** Seals a token for the session that stands for it. */
export function sealedBearer(sealer: Pick<Sealer, 'seal'>, token: string): string {
  return sealer.seal(token, SEAL_CONTEXT);
}

/** Identifies the caller by the session cookie, if any. @throws ApiProblem `unauthorized`; `forbidden` for a request from another site */
async function sessionPrincipal(request: Pick<Request, 'get' | 'method'>, deps: AuthenticatorDeps): Promise<Principal> {
  const { sessions, sealer, cookies, publicUrl, storeTimeoutMs } = deps;
  const secret = cookies.read(request.get('cookie'), cookies.session);
  if (secret === undefined) return ANONYMOUS;
  const session = await within(storeTimeoutMs, sessions.find(secret));
  if (!session) throw unauthorized('the session has ended: log in again');
  checkSameOrigin(request, publicUrl);
  const { sealedToken, ...principal } = session;
  if (sealedToken === undefined) return principal;
  const { credentialId, expiresAt } = principal;
  const current = await byToken(sealer.open(sealedToken, SEAL_CONTEXT), deps);
  return { ...current, ...(credentialId && { credentialId }), ...(expiresAt !== undefined && { expiresAt }) };
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
