import { randomBytes } from 'node:crypto';
import { loginQuery, type OperationId } from '@kiln/contracts';
import type { Sealer, SessionStore } from '@kiln/state';
import { cliSession } from '../access/bearer-token.ts';
import type { Handler } from '../access/call.ts';
import type { Cookies } from '../access/cookies.ts';
import type { ApiConfig } from '../config.ts';
import { ApiProblem, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { LOGIN_TTL_MS, LoginFlow } from './login-flow.ts';
import { safeReturnTo } from './return-to.ts';

type LoginOperation = Extract<OperationId, 'startLogin' | 'finishLogin' | 'logout'>;

interface LoginDeps {
  readonly sessions: Pick<SessionStore, 'create' | 'end'>;
  readonly sealer: Pick<Sealer, 'seal' | 'open'>;
  readonly cookies: Cookies;
  readonly now: () => number;
}

const SESSION_BYTES = 32;

/** The routes of logging in with an issuer. */
export function loginHandlers(config: ApiConfig, deps: LoginDeps): Record<LoginOperation, Handler> {
  const { sessions, cookies, now } = deps;
  const { publicUrl, sessionMs } = config;
  const issuer = config.oidc?.issuers.find(({ login }) => login);
  const flow = issuer?.login && new LoginFlow({ ...deps, issuer, login: issuer.login, publicUrl });
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const configured = () => {
    if (flow) return flow;
    throw new ApiProblem('not_found', 'login is not available: no issuer with login is configured (KILN_OIDC_FILE)');
  };

  return {
    async startLogin(request, response) {
      const { returnTo } = parsed(loginQuery, request.query, 'query ');
      const login = configured();
      const { url, sealed } = await login.begin(safeReturnTo(returnTo, publicUrl));
      cookies.set(response, cookies.login, sealed, LOGIN_TTL_MS);
      response.setHeader('Cache-Control', 'no-store');
      response.redirect(302, url);
    },

    async finishLogin(request, response, { note }) {
      const login = configured();
      const header = request.get('cookie');
      response.setHeader('Cache-Control', 'no-store');
      // Cleared whatever the result: a login is tried once.
      cookies.clear(response, cookies.login);
      const { principal, returnTo } = await login.finish(
        new URL(request.originalUrl, publicUrl).search,
        cookies.read(header, cookies.login),
      );
      // Each login gets a new session, so that one planted by somebody else is worthless.
      const before = cookies.read(header, cookies.session);
      if (before !== undefined) await stored(sessions.end(before));
      const secret = randomBytes(SESSION_BYTES).toString('base64url');
      const session = await stored(sessions.create(secret, { ...principal, expiresAt: now() + sessionMs }, sessionMs));
      note({ principal: session, details: { scopes: session.scopes.join(' '), trust: session.trust } });
      cookies.set(response, cookies.session, secret, sessionMs);
      response.redirect(303, returnTo);
    },

    async logout(request, response) {
      // The same credential by which the caller was admitted.
      const hasBearer = request.get('authorization') !== undefined;
      const secret = hasBearer ? cliSession(request) : cookies.read(request.get('cookie'), cookies.session);
      if (secret !== undefined) await stored(sessions.end(secret));
      if (!hasBearer) cookies.clear(response, cookies.session);
      response.status(204).end();
    },
  };
}
