import type { OperationId } from '@kiln/contracts';
import type { Authenticate } from '../access/authenticate.ts';
import type { Handler } from '../access/call.ts';
import type { Cookies } from '../access/cookies.ts';
import { tokenHandlers } from '../access/token-handlers.ts';
import { artifactHandlers } from '../artifacts/artifact-handlers.ts';
import { auditHandler } from '../audit/audit-handler.ts';
import { evaluateHandlers } from '../bake/evaluate-handlers.ts';
import type { BuildFeed } from '../builds/build-feed.ts';
import { buildHandlers } from '../builds/build-handlers.ts';
import type { BuildWatch } from '../builds/build-watch.ts';
import { feedHandler } from '../builds/feed-handler.ts';
import { cacheHandlers } from '../caches/cache-handlers.ts';
import { modeHandlers } from '../caches/mode-handlers.ts';
import type { ApiConfig } from '../config.ts';
import { contextHandlers } from '../contexts/context-handlers.ts';
import { treeHandlers } from '../contexts/tree-handlers.ts';
import { docsHandlers } from '../docs/docs-handlers.ts';
import { doctorHandler } from '../doctor/doctor-handler.ts';
import { connectionPushRules } from '../hooks/connections/connection-push-rules.ts';
import { hookHandlers } from '../hooks/hook-handlers.ts';
import type { DeliveryWatch } from '../hooks/incoming/delivery-watch.ts';
import { reportRetry } from '../hooks/reports/report-retry.ts';
import { hostHandlers } from '../hosts/host-handlers.ts';
import { sendJson } from '../http/answer.ts';
import type { LimitBook } from '../limits/limit-book.ts';
import { limitHandlers } from '../limits/limit-handlers.ts';
import { cliLoginHandlers } from '../login/cli-login-handlers.ts';
import { loginHandlers } from '../login/login-handlers.ts';
import { sessionHandlers } from '../login/session-handlers.ts';
import { logHandlers } from '../logs/log-handlers.ts';
import type { LogSendDeps } from '../logs/send-log.ts';
import type { MeteredDeps } from '../ports.ts';
import { scheduleHandlers } from '../schedules/schedule-handlers.ts';
import type { ScheduleDeps } from '../schedules/submit-schedule.ts';
import { secretHandlers } from '../secrets/secret-handlers.ts';
import { snapshotHandlers } from '../snapshots/snapshot-handlers.ts';
import { taskHandlers } from '../tasks/task-handlers.ts';
import { healthHandlers } from '../upkeep/health-handlers.ts';
import { metricsHandler } from '../upkeep/metrics-handler.ts';
import { API_VERSION } from '../version.ts';
import { whySlowHandlers } from '../why-slow/why-slow-handlers.ts';

export interface HandlerDeps {
  readonly config: ApiConfig;
  readonly deps: MeteredDeps;
  readonly watch: BuildWatch;
  readonly deliveryWatch: DeliveryWatch;
  readonly cookies: Cookies;
  readonly authenticate: Authenticate;
  readonly feed: BuildFeed;
  readonly book: LimitBook;
  readonly submission: ScheduleDeps;
  readonly sending: LogSendDeps;
  /** Aborts when the process stops: waiting requests are then answered with the present state. */
  readonly closing: AbortSignal;
}

/** The handlers of all routes of the catalogue. Each parses its request, calls one use case and answers. */
export function handlers({
  config,
  deps,
  watch,
  deliveryWatch,
  cookies,
  authenticate,
  feed,
  book,
  submission,
  sending,
  closing,
}: HandlerDeps): Record<OperationId, Handler> {
  const { blobs, memory, now = Date.now, connections, reports, hookQueues, log } = deps;
  return {
    ...buildHandlers(config, {
      ...{ ...submission, blobs, trees: deps.trees, memory, watch, closing },
      connectionRules: (spec) => connectionPushRules(spec, connections),
      reportRetry: (record) => reportRetry(record, { reports, hookQueues, log }),
    }),
    ...logHandlers(sending),
    ...artifactHandlers(config, deps),
    ...contextHandlers(config, deps),
    ...whySlowHandlers(config, { ...deps, builds: submission.builds, now, closing }),
    ...treeHandlers(config, { ...deps, rulesFor: submission.rulesFor }),
    ...hostHandlers(config, deps),
    ...cacheHandlers(config, { ...deps, now }),
    ...modeHandlers(config, { ...deps, now }),
    ...taskHandlers(config, { ...deps, closing }),
    ...snapshotHandlers(config, { ...deps, now }),
    ...evaluateHandlers(config, deps),
    ...tokenHandlers(config, { ...deps, now }),
    ...secretHandlers(config, deps),
    ...scheduleHandlers(config, submission),
    ...limitHandlers(config, { ...deps, book }),
    ...loginHandlers(config, { ...deps, cookies, now }),
    ...cliLoginHandlers(config, { ...deps, cookies, now }),
    ...sessionHandlers(config, { ...deps, cookies, now, authenticate }),
    followBuilds: feedHandler(config, feed, closing),
    ...hookHandlers(config, { ...deps, now }, { watch: deliveryWatch, closing }),
    readAudit: auditHandler(config, deps.audit, closing),
    ...healthHandlers(config, { ...deps, closing }),
    checkPool: doctorHandler(config, { ...deps, fetch: deps.outgoing.fetch, now }),
    metrics: metricsHandler(deps.metrics),
    version: async (_request, response) => sendJson(response, 200, { version: API_VERSION }),
    ...docsHandlers(),
  };
}
