import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SnapshotBook, TreeStore } from '@kiln/blobs';
import { trimEnd } from '@kiln/domain';
import { NO_METRICS } from '@kiln/metrics';
import { MeteredBlobs } from '@kiln/state';
import { authenticator } from './access/authenticate.ts';
import { Cookies } from './access/cookies.ts';
import { LiveRequests } from './access/live-requests.ts';
import { localTokens } from './access/local-tokens.ts';
import { AuditTrail } from './audit/audit-trail.ts';
import { BuildFeed } from './builds/build-feed.ts';
import { BuildWatch } from './builds/build-watch.ts';
import type { ApiConfig } from './config.ts';
import { StrangerGate } from './edge/stranger-gate.ts';
import { StreamCap } from './edge/stream-cap.ts';
import { BuildDocuments } from './history/build-documents.ts';
import { wholeBuilds } from './history/whole-builds.ts';
import { DeliveryWatch } from './hooks/incoming/delivery-watch.ts';
import { startHooks } from './hooks/start-hooks.ts';
import { within } from './http/deadline.ts';
import { BuildRules } from './limits/build-rules.ts';
import { gitHostCheck } from './limits/git-host-check.ts';
import { LimitBook } from './limits/limit-book.ts';
import { requestGate } from './limits/request-gate.ts';
import { ArchivedLogs } from './logs/archived-logs.ts';
import { LogHub } from './logs/log-hub.ts';
import { LogPages } from './logs/log-pages.ts';
import { LogPieces } from './logs/log-pieces.ts';
import { tokenVerifier } from './oidc/verify-token.ts';
import { pageHandler } from './page/page-handler.ts';
import type { ApiDeps, MeteredDeps } from './ports.ts';
import { scheduleRunner } from './schedules/run-schedules.ts';
import type { ScheduleDeps } from './schedules/submit-schedule.ts';
import { createApp } from './server/app.ts';
import { handlers } from './server/handlers.ts';
import { createHttpServer, type HttpServer } from './server/http-server.ts';
import { RequestMetrics } from './server/request-metrics.ts';
import { repeat } from './upkeep/repeat.ts';
import { startUpkeep } from './upkeep/start-upkeep.ts';

/** Fewest bytes within `bodyIdleMs` of a body that is read whole. */
const LEAST_BODY_BYTES = 1024;

export interface RunningApi {
  readonly url: string;
  readonly port: number;
  /**
   * Stops serving: refuses new connections, ends event streams so that their clients reconnect elsewhere, and gives other requests
   * `closeTimeoutMs`. The stores stay open, as they belong to the caller.
   */
  close(): Promise<void>;
}

/** Starts the API. @throws RangeError for missing, empty or shared tokens; the error of listening, as for an address in use */
export async function startApi(config: ApiConfig, given: ApiDeps): Promise<RunningApi> {
  const joinTokens = config.join?.tokens ?? [];
  if (config.tokens.length === 0 || [...config.tokens, ...joinTokens].some((token) => token === '')) {
    throw new RangeError('tokens: got none or an empty one, expected at least one token');
  }
  if (config.tokens.some((token) => joinTokens.includes(token))) {
    throw new RangeError('join.tokens: got a token that is also a user’s, expected another token');
  }
  const { logs, events, log, metrics = NO_METRICS, now = Date.now } = given;
  const blobs = new MeteredBlobs(given.blobs, {
    ledger: given.storage,
    teamOf: async (id) => (await given.builds.record(id))?.team,
    reserveBytes: config.blobReserveBytes,
    now,
  });
  const builds = wholeBuilds(given.builds, new BuildDocuments(blobs), log);
  const stack = new AsyncDisposableStack();
  const trees = stack.use(
    new TreeStore({
      blobs: given.blobs,
      horizonMs: config.contextRetentionMs,
      exclusively: (team, work) => given.treeLocks.exclusively(team, work),
      now,
    }),
  );
  const deps: MeteredDeps = { ...given, builds, blobs, trees, snapshots: new SnapshotBook(given.blobs) };
  const closing = new AbortController();
  const watch = stack.use(new BuildWatch(builds, events));
  const archive = new ArchivedLogs(blobs, config.logRetentionMs);
  const pages = new LogPages(logs, new LogPieces(logs, blobs), archive, config.logPageCacheBytes);
  const hub = stack.use(
    new LogHub({
      logs,
      builds,
      pages,
      events,
      log,
      metrics,
      ringChars: config.logRingBytes,
      lingerMs: config.logLingerMs,
    }),
  );
  stack.use(startUpkeep(config, deps, archive));
  const sending = {
    builds,
    logs,
    archive,
    hub,
    watch,
    heartbeatMs: config.sseHeartbeatMs,
    idleMs: config.socketIdleMs,
    retryMs: config.sseRetryMs,
    closing: closing.signal,
  };
  const book = stack.use(new LimitBook(config.limits, deps.limits, events, now));
  const { queueTimeoutMs, isTracing } = config;
  const rules = {
    book,
    checkGitHost: gitHostCheck(deps.outgoing, now),
    storage: deps.storage,
    queueTimeoutMs,
    isTracing,
  };
  const rulesFor: ScheduleDeps['rulesFor'] = (principal, team) =>
    within(config.storeTimeoutMs, BuildRules.of(principal, team, rules));
  const hookRules = { rulesFor, checkGitHost: rules.checkGitHost };
  const submission: ScheduleDeps = {
    ...deps,
    now,
    contextRetentionMs: config.contextRetentionMs,
    untrustedPush: config.untrustedPush,
    takesClientLogins: config.takesClientLogins,
    rulesFor,
  };
  stack.use(repeat('schedules', config.scheduleCheckMs, () => deps.schedules.follow(), log));
  stack.use(
    deps.schedules.consume(scheduleRunner(submission, deps), (error) =>
      log.warn({ err: error }, 'schedule queue failed'),
    ),
  );
  const cookies = new Cookies(config.publicUrl);
  const authenticate = authenticator({
    local: localTokens(config.tokens, joinTokens),
    tokens: deps.tokens,
    sessions: deps.sessions,
    sealer: deps.sealer,
    cookies,
    publicUrl: config.publicUrl,
    verifyJwt: config.oidc && tokenVerifier(config.oidc.issuers, config.oidc.keyTimes, now),
    storeTimeoutMs: config.storeTimeoutMs,
    now,
    log,
  });
  const feed = stack.use(new BuildFeed(builds, events, log));
  const app = createApp({
    handlers: handlers({
      config,
      deps,
      watch,
      deliveryWatch: stack.use(new DeliveryWatch(events)),
      cookies,
      authenticate,
      feed,
      book,
      submission,
      sending,
      closing: closing.signal,
    }),
    authenticate,
    gate: requestGate(book, deps.rates, config.storeTimeoutMs),
    live: stack.use(new LiveRequests(events, now)),
    trail: new AuditTrail(deps.audit, log),
    trustProxy: config.trustProxy,
    bodyTime: { ms: config.bodyTimeoutMs, leastBytes: LEAST_BODY_BYTES, withinMs: config.bodyIdleMs },
    strangers: new StrangerGate(config.strangerRequestsPerMinute, now),
    streams: new StreamCap(config.maxStreamsByCredential),
    uploads: new StreamCap(config.maxUploadsByCredential, 'uploads'),
    requests: stack.use(new RequestMetrics(metrics)),
    log,
    now,
    closing: closing.signal,
    page: pageHandler(config.pageDir),
  });
  const trusts = app.get('trust proxy fn') as (address: string, hop: number) => boolean;
  const { server, connections } = createHttpServer(config, app, (address) => trusts(address, 0), log);
  await listen(server, config);
  const { port } = server.address() as AddressInfo;
  const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  stack.use(startHooks(config, deps, hookRules, trimEnd(config.publicUrl, '/') || url));
  log.info({ url }, 'api listening');
  let closed: Promise<void> | undefined;
  return {
    url,
    port,
    close: () => {
      closed ??= stop({ server, connections }, closing, config.closeTimeoutMs).finally(() => stack.disposeAsync());
      return closed;
    },
  };
}

function listen(server: Server, { host, port }: ApiConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function stop({ server, connections }: HttpServer, closing: AbortController, timeoutMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  closing.abort();
  connections.closeUnused();
  const force = setTimeout(() => server.closeAllConnections(), timeoutMs);
  await closed;
  clearTimeout(force);
}
