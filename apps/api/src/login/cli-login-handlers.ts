import { cliLoginQuery, type OperationId } from '@kiln/contracts';
import type { Principal } from '@kiln/domain';
import type { SessionStore } from '@kiln/state';
import type { Request } from 'express';
import type { Handler } from '../access/call.ts';
import type { Cookies } from '../access/cookies.ts';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { ApiProblem, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { approvalPage, approvedPage, sendPage } from './cli-login-page.ts';

type CliLoginOperation = Extract<OperationId, `${string}CliLogin`>;

interface CliLoginDeps {
  readonly sessions: Pick<SessionStore, 'find' | 'has' | 'createFor'>;
  readonly cookies: Cookies;
  readonly now: () => number;
}

/**
 * The routes of `kiln login` in the browser. The command makes a token, keeps it, and shows a person the page of its SHA-256. When that person
 * approves, a session is stored under the SHA-256, and the token is valid from then on. Nothing is stored for a login that is not approved.
 */
export function cliLoginHandlers(config: ApiConfig, deps: CliLoginDeps): Record<CliLoginOperation, Handler> {
  const { sessions, cookies, now } = deps;
  const { publicUrl, sessionMs } = config;
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const queryOf = (request: Request) => {
    const query = parsed(cliLoginQuery, request.query, 'query ');
    if (!config.oidc?.issuers.some(({ login }) => login)) {
      throw new ApiProblem('not_found', 'login is not available: no issuer with login is configured (KILN_OIDC_FILE)');
    }
    return query;
  };
  /** The session of the browser, if enough of it is left for a command. */
  const freshSession = async (request: Request): Promise<Principal | undefined> => {
    const secret = cookies.read(request.get('cookie'), cookies.session);
    const principal = secret === undefined ? undefined : await stored(sessions.find(secret));
    return principal && (principal.expiresAt ?? 0) - now() > sessionMs / 2 ? principal : undefined;
  };

  return {
    async readCliLogin(request, response) {
      const { code } = queryOf(request);
      const approved = await stored(sessions.has(code));
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, 200, { approved, page: `${publicUrl.replace(/\/$/, '')}/auth/cli` });
    },

    async showCliLogin(request, response) {
      const query = queryOf(request);
      const principal = await freshSession(request);
      response.setHeader('Cache-Control', 'no-store');
      if (principal) return sendPage(response, approvalPage(query, principal));
      const { search } = new URL(request.originalUrl, publicUrl);
      response.redirect(302, `login?returnTo=${encodeURIComponent(`/auth/cli${search}`)}`);
    },

    async approveCliLogin(request, response, { principal, note }) {
      const query = queryOf(request);
      // A command must not be able to renew its own login.
      if (principal.kind !== 'session' || request.get('authorization') !== undefined) {
        throw new ApiProblem('forbidden', 'only a person who is logged in with the browser can approve a kiln login');
      }
      const ttlMs = Math.ceil((principal.expiresAt ?? 0) - now());
      if (!(await stored(sessions.createFor(query.code, principal, ttlMs)))) {
        throw new ApiProblem('forbidden', 'this kiln login was already approved by another person; run it again');
      }
      note({ ...(query.name !== undefined && { target: query.name }) });
      sendPage(response, approvedPage(query));
    },
  };
}
