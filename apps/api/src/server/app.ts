import { randomUUID } from 'node:crypto';
import { BlobStoreUnavailable } from '@kiln/blobs';
import { changesState, type OperationId, ROUTES, type RouteDoc, VERSION_HEADER } from '@kiln/contracts';
import { ANONYMOUS, type Principal } from '@kiln/domain';
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import type { Authenticate } from '../access/authenticate.ts';
import type { Call, Handler } from '../access/call.ts';
import type { LiveRequests } from '../access/live-requests.ts';
import { authorize } from '../access/refusals.ts';
import type { Audited, AuditTrail } from '../audit/audit-trail.ts';
import { incomplete } from '../contexts/tar-problems.ts';
import type { Entry, StrangerGate } from '../edge/stranger-gate.ts';
import type { StreamCap } from '../edge/stream-cap.ts';
import { sendProblem } from '../http/answer.ts';
import { ApiProblem, fieldProblem, problemOf } from '../http/api-problem.ts';
import { type BodyTime, limitBodyTime } from '../http/body-gate.ts';
import type { RequestGate } from '../limits/request-gate.ts';
import { API_VERSION } from '../version.ts';
import type { RequestMetrics } from './request-metrics.ts';

export interface AppDeps {
  readonly handlers: Readonly<Record<OperationId, Handler>>;
  readonly authenticate: Authenticate;
  readonly gate: RequestGate;
  readonly live: LiveRequests;
  readonly trail: AuditTrail;
  /** Proxies whose `X-Forwarded-For` is trusted, as express takes it: addresses and networks, or a number of proxies. */
  readonly trustProxy: readonly string[] | number;
  /** For bodies that are read whole. */
  readonly bodyTime: BodyTime;
  readonly strangers: StrangerGate;
  readonly streams: StreamCap;
  readonly uploads: StreamCap;
  readonly requests: RequestMetrics;
  readonly log: Logger;
  readonly now: () => number;
  readonly closing: AbortSignal;
  /** Answers requests for the page, and passes on all others. */
  readonly page: RequestHandler;
}

/** These revoke the caller's own credential, so the response must still be sent. */
const REVOKES_CREDENTIAL: ReadonlySet<OperationId> = new Set(['logout', 'revokeToken', 'createSession']);

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** The express app: the routes of the catalogue, each behind authentication, limits and the audit log. */
export function createApp(deps: AppDeps): Express {
  const { handlers, authenticate, gate, live, trail, trustProxy, bodyTime, log, now, closing } = deps;
  const { strangers, streams, uploads, requests } = deps;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('trust proxy', trustProxy);
  app.use(identify({ log, now, closing, requests }));
  app.use((request, _response, next) => {
    limitBodyTime(request, bodyTime);
    if (request.headers.host === undefined && request.httpVersion === '1.1') {
      throw fieldProblem('malformed_http', 'header Host', 'nothing', 'a Host header, which HTTP/1.1 requires');
    }
    next();
  });
  // An API answer may load nothing at all; routes of pages set their own policy.
  app.use(
    helmet({
      contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    }),
  );
  const byPath = Map.groupBy(Object.entries(ROUTES) as [OperationId, RouteDoc][], ([, { path }]) => path);
  for (const [path, routes] of byPath) {
    for (const [id, route] of routes) {
      const { method, access } = route;
      app[method](path, async (request: Request, response: Response) => {
        response.locals.route = path;
        // Before anything is written, so that a flood doesn't fill the audit log.
        const { requestId, ip } = response.locals as { requestId: string; ip: string };
        const credential = access.who === 'anyone' ? undefined : credentialOf(request);
        const entry = UNCOUNTED.has(id) ? undefined : strangers.enter(ip, credential);
        const audited = trail.begin({ action: id, isAlways: changesState(route) }, request, response);
        response.locals.audited = audited;
        const principal = access.who === 'anyone' ? ANONYMOUS : await proven(authenticate(request), entry);
        audited.principal = principal;
        if (id === 'receiveWebhook') response.on('finish', () => response.statusCode < 400 && entry?.vouched());
        await gate(principal, response);
        authorize(principal, route);
        if (LONG.has(id)) streams.enter(principal, ip, response);
        if (isUpload(id, request)) uploads.enter(principal, ip, response);
        if (principal !== ANONYMOUS && !REVOKES_CREDENTIAL.has(id)) live.add(principal, response);
        const call: Call = { principal, requestId, ip, note: audited.note };
        // Answers depend on the credential: shared caches must not keep them.
        if (principal !== ANONYMOUS) response.setHeader('Cache-Control', 'private, no-store');
        await handlers[id](request, response, call);
      });
    }
    app.all(path, wrongMethod(routes.map(([, { method }]) => method.toUpperCase())));
  }
  app.use(deps.page);
  app.use((request) => {
    throw new ApiProblem('not_found', `no route for ${request.method} ${request.path}`);
  });
  app.use(answerErrors(log));
  return app;
}

/** Answers that may stay open for a long time. */
const LONG: ReadonlySet<OperationId> = new Set(['readLog', 'readAudit', 'getBuild', 'followBuilds']);

/** Whether a request brings a context. */
function isUpload(id: OperationId, request: Request): boolean {
  return id === 'storeTreeParts' || (id === 'submitBuild' && Boolean(request.is('multipart/form-data')));
}

/** Probes, which monitors may call from anywhere. */
const UNCOUNTED: ReadonlySet<OperationId> = new Set(['health', 'ready']);

/** The credential that a request carries, valid or not. */
function credentialOf(request: Request): string | undefined {
  return request.get('authorization') ?? request.get('cookie');
}

/** The authenticated principal; reports to `entry` how the credential turned out. */
async function proven(authenticated: Promise<Principal>, entry: Entry | undefined): Promise<Principal> {
  try {
    const principal = await authenticated;
    if (principal === ANONYMOUS) entry?.unknown();
    else entry?.proved();
    return principal;
  } catch (error) {
    if (error instanceof ApiProblem && error.code === 'unauthorized') entry?.failed();
    throw error;
  }
}

/** Gives each request an id, and logs and counts its end. Headers and bodies are not logged: they contain tokens and secrets. */
function identify({
  log,
  now,
  closing,
  requests,
}: Pick<AppDeps, 'log' | 'now' | 'closing' | 'requests'>): RequestHandler {
  return (request, response, next) => {
    const given = request.get('x-request-id');
    const requestId = given !== undefined && REQUEST_ID.test(given) ? given : randomUUID();
    const startedAt = now();
    // Read now: the socket is gone when the answer has been sent.
    const ip = request.ip ?? '';
    response.locals.ip = ip;
    response.locals.requestId = requestId;
    response.setHeader('X-Request-Id', requestId);
    response.setHeader(VERSION_HEADER, API_VERSION);
    if (closing.aborted) response.setHeader('Connection', 'close');
    const counted = requests.begin(request, response);
    response.on('close', () => {
      counted();
      const fields = {
        requestId,
        method: request.method,
        path: request.path,
        ip,
        status: response.statusCode,
        ms: Math.round(now() - startedAt),
        ...(auditedOf(response) && { principal: auditedOf(response)?.principal.id }),
        ...(!response.writableFinished && { cutOff: true }),
      };
      if (request.path === '/healthz' || request.path === '/readyz') log.debug(fields, 'request');
      else log.info(fields, 'request');
    });
    next();
  };
}

/** Undefined for a path outside the catalogue. */
function auditedOf({ locals }: Response): Audited | undefined {
  return locals.audited as Audited | undefined;
}

function wrongMethod(methods: readonly string[]): RequestHandler {
  const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ');
  return (request) => {
    const problem = fieldProblem('method_not_allowed', 'method', request.method, allowed);
    throw new ApiProblem(problem.code, problem.message, { errors: problem.errors, headers: { Allow: allowed } });
  };
}

function answerErrors(log: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    // The client has disconnected and won't read it; it is for the audit log.
    const isCutOff = request.destroyed && !request.complete && !(error instanceof ApiProblem);
    const problem = isCutOff ? incomplete('the connection was lost') : problemOf(error);
    const audited = auditedOf(response);
    if (audited) audited.problem = problem;
    const { requestId } = response.locals as { requestId: string };
    // A blob that breaks off ends the connection before this, as a client that disconnects does; but it is the store's fault.
    const isSeen = !request.destroyed || error instanceof BlobStoreUnavailable;
    if (problem.status >= 500 && isSeen) log.error({ requestId, err: error }, 'request failed');
    // In the middle of an answer it is too late for a problem; closing the connection shows the client that the answer is incomplete.
    if (response.headersSent) {
      void audited?.settle();
      response.destroy();
    } else sendProblem(request, response, problem, requestId);
  };
}
