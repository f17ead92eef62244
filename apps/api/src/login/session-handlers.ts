import { randomBytes } from 'node:crypto';
import { type OperationId, sessionRequest } from '@kiln/contracts';
import type { Principal } from '@kiln/domain';
import type { Sealer, Session, SessionStore } from '@kiln/state';
import type { Request, Response } from 'express';
import { type Authenticate, sealedBearer } from '../access/authenticate.ts';
import { bearerToken } from '../access/bearer-token.ts';
import type { Handler } from '../access/call.ts';
import type { Cookies } from '../access/cookies.ts';
import { checkSameOrigin } from '../access/same-origin.ts';
import type { ApiConfig } from '../config.ts';
import { instant, sendJson } from '../http/answer.ts';
import { ApiProblem, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { jsonBody } from '../http/json-body.ts';
import { unauthorized } from '../http/unauthorized.ts';

type SessionOperation = Extract<OperationId, 'createSession' | 'createLoginCode' | 'listLoginMethods'>;

export interface SessionDeps {
  readonly sessions: Pick<SessionStore, 'create' | 'end' | 'find'>;
  readonly sealer: Pick<Sealer, 'seal' | 'open'>;
  readonly cookies: Cookies;
  readonly now: () => number;
  readonly authenticate: Authenticate;
}

const SESSION_BYTES = 32;
/** How long a code for logging in may wait for its browser, ms. */
const CODE_TTL_MS = 600_000;

/** The routes of sessions that no issuer is involved in: with a token, or with a code. */
export function sessionHandlers(config: ApiConfig, deps: SessionDeps): Record<SessionOperation, Handler> {
  const { sessions, sealer, cookies, now, authenticate } = deps;
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const issuer = config.oidc?.issuers.find(({ login }) => login);

  /** Exchanges a token for the session that stands for it. @throws ApiProblem `unauthorized`, `forbidden` */
  async function ofToken(token: string): Promise<Session> {
    const principal = await authenticate({ method: 'GET', get: nameless({ authorization: `Bearer ${token}` }) });
    if (principal.kind === 'worker') {
      throw new ApiProblem('forbidden', 'this is a worker token: log in with a user’s token');
    }
    return { ...principal, sealedToken: sealedBearer(sealer, token) };
  }

  /** Redeems a code, which works once. @throws ApiProblem `unauthorized` */
  async function ofCode(code: string): Promise<Session> {
    const found = await stored(sessions.find(codeKey(code)));
    // Ending tells whether it was there, so only one of two attempts gets it.
    if (found && (await stored(sessions.end(codeKey(code))))) {
      const { credentialId: _, ...session } = found;
      return session;
    }
    throw unauthorized('the login code is unknown, was used before, or is older than ten minutes');
  }

  return {
    async listLoginMethods(_request, response) {
      sendJson(response, 200, { token: true, ...(issuer && { oidc: { name: issuer.name } }) });
    },

    async createSession(request, response, { note }) {
      checkSameOrigin(request, config.publicUrl);
      const { token, code } = parsed(sessionRequest, await jsonBody(request, config.maxJsonBytes));
      const asked = code === undefined ? await ofToken(token ?? '') : await ofCode(code);
      const session = await begin(request, response, asked);
      note({
        principal: session,
        details: { scopes: session.scopes.join(' '), by: code === undefined ? 'token' : 'code' },
      });
      sendJson(response, 200, viewPrincipal(session));
    },

    async createLoginCode(request, response, { principal, note }) {
      if (principal.kind === 'worker') {
        throw new ApiProblem('forbidden', 'this is a worker token: only a user’s token can log a browser in');
      }
      const bearer = bearerToken(request);
      const own = bearer === undefined ? await sessionOf(request) : { sealedToken: sealedBearer(sealer, bearer) };
      const code = randomBytes(SESSION_BYTES).toString('base64url');
      const expiresAt = now() + CODE_TTL_MS;
      await stored(sessions.create(codeKey(code), { ...principal, ...own }, CODE_TTL_MS));
      note({ details: { expiresAt: instant(expiresAt) } });
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, 201, { code, expiresAt: instant(expiresAt) });
    },
  };

  /** What a session's code has to stand for: the same token, if it has one. */
  async function sessionOf(request: Request): Promise<Pick<Session, 'sealedToken'>> {
    const secret = cookies.read(request.get('cookie'), cookies.session);
    const session = secret === undefined ? undefined : await stored(sessions.find(secret));
    return session?.sealedToken === undefined ? {} : { sealedToken: session.sealedToken };
  }

  async function begin(request: Request, response: Response, asked: Session): Promise<Session> {
    // As after a login with an issuer: one that an attacker planted is worthless.
    const before = cookies.read(request.get('cookie'), cookies.session);
    if (before !== undefined) await stored(sessions.end(before));
    const secret = randomBytes(SESSION_BYTES).toString('base64url');
    const lastsMs = Math.min(config.sessionMs, (asked.expiresAt ?? Number.POSITIVE_INFINITY) - now());
    const session = await stored(sessions.create(secret, { ...asked, expiresAt: now() + lastsMs }, lastsMs));
    cookies.set(response, cookies.session, secret, lastsMs);
    response.setHeader('Cache-Control', 'no-store');
    return session;
  }
}

function viewPrincipal({ kind, id, name, team, scopes, trust, expiresAt }: Principal) {
  return {
    ...{ kind, id, name, team, scopes, trust },
    ...(expiresAt !== undefined && { expiresAt: instant(expiresAt) }),
  };
}

/** Codes and sessions share a store, not names. */
function codeKey(code: string): string {
  return `code:${code}`;
}

/** Headers of a request that isn't one, as `Request.get` reads them. */
function nameless(headers: Readonly<Record<string, string>>): Request['get'] {
  return ((name: string) => headers[name.toLowerCase()]) as Request['get'];
}
