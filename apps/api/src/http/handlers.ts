import { Readable } from 'node:stream';
import {
  artifactKey,
  artifactName,
  buildId,
  buildQuery,
  contextDigest,
  contextKey,
  logStreamQuery,
  type OperationId,
  waitQuery,
} from '@kiln/contracts';
import { ALL_TEAMS, currentAttempt, isTerminal, type Principal } from '@kiln/domain';
import { BlobTooLarge, storeArtifact } from '@kiln/state';
import type { Request, Response } from 'express';
import { admitRequest } from '../access/admit-request.ts';
import type { Handler } from '../access/call.ts';
import { tokenHandlers } from '../access/token-handlers.ts';
import { visibleBuilds } from '../access/visible-builds.ts';
import { auditHandler } from '../audit/audit-handler.ts';
import type { AuditNote } from '../audit/audit-trail.ts';
import { viewBuild } from '../builds/build-view.ts';
import type { BuildWatch } from '../builds/build-watch.ts';
import { cancelBuild } from '../builds/cancel-build.ts';
import { viewPlacement } from '../builds/placement-view.ts';
import { receiveSubmission, wholeBody } from '../builds/receive-submission.ts';
import { type Accepted, buildNotFound, type RequestKey, retryBuild, submitBuild } from '../builds/submit-build.ts';
import type { ApiConfig } from '../config.ts';
import { hookHandlers } from '../hooks/hook-handlers.ts';
import type { DeliveryWatch } from '../hooks/incoming/delivery-watch.ts';
import { hostHandlers } from '../hosts/host-handlers.ts';
import { type BuildRuleParts, BuildRules } from '../limits/build-rules.ts';
import { limitHandlers } from '../limits/limit-handlers.ts';
import type { Cookies } from '../login/cookies.ts';
import { loginHandlers } from '../login/login-handlers.ts';
import { type LogSending, sendLog } from '../logs/send-log.ts';
import type { MeteredDeps } from '../ports.ts';
import { scheduleHandlers } from '../schedules/schedule-handlers.ts';
import type { ScheduleSubmitting } from '../schedules/submit-schedule.ts';
import { secretHandlers } from '../secrets/secret-handlers.ts';
import { liveLogSettings, memoryLines } from '../upkeep/watch-memory.ts';
import { sendBlob, sendJson } from './answer.ts';
import { ApiProblem, fieldProblem, parameter, parsed } from './api-problem.ts';
import { within } from './deadline.ts';
import { logFormat } from './log-format.ts';
import { replicaLines } from './replica-lines.ts';

export interface HandlerParts {
  readonly config: ApiConfig;
  readonly deps: MeteredDeps;
  readonly watch: BuildWatch;
  readonly deliveryWatch: DeliveryWatch;
  readonly cookies: Cookies;
  readonly rules: BuildRuleParts;
  readonly scheduling: ScheduleSubmitting;
  readonly sending: LogSending;
  readonly openapi: unknown;
  readonly docsPage: Handler;
  /** Aborts when the process is to stop: whoever waits is answered with what there is. */
  readonly closing: AbortSignal;
}

const READY_MS = 2_000;

/** One thin function for each route of the catalogue: parse, one use case, answer. */
export function handlers({
  config,
  deps,
  watch,
  deliveryWatch,
  cookies,
  rules,
  scheduling,
  sending,
  openapi,
  docsPage,
  closing,
}: HandlerParts): Record<OperationId, Handler> {
  const { hosts, blobs, contextTeams, buildSecrets, now = Date.now } = deps;
  const contextGrantMs = 2 * config.contextRetentionMs;
  const buildsOf = (principal: Principal) => visibleBuilds(deps.builds, principal);
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const rulesFor = (principal: Principal, team: string) => stored(BuildRules.of(principal, team, rules));
  const idOf = (request: Request) => parameter(buildId, 'id', request.params.id);
  const found = async (id: string, principal: Principal) => {
    const build = await stored(buildsOf(principal).get(id));
    if (!build) throw buildNotFound(id);
    return build;
  };

  return {
    async submitBuild(request, response, { principal, note }) {
      await using submission = await receiveSubmission(request, blobs, config, async (asked, named) => {
        const admitted = admitRequest(asked, named, principal, config.untrustedPush);
        // Before a context is read; others are refused where they are accepted, after a look at their idempotency key.
        if (request.is('multipart/form-data')) await stored(deps.memory.assertRoom());
        const own = await rulesFor(principal, admitted.team);
        await own.checkTargets(admitted);
        return { request: admitted, maxContextBytes: own.contextBytes, share: own.share };
      });
      const own = await rulesFor(principal, submission.request.team);
      const parts = {
        builds: buildsOf(principal),
        blobs,
        contextTeams,
        contextGrantMs,
        buildSecrets,
        principal,
        rules: own,
        untrustedPush: config.untrustedPush,
      };
      const accepted = await stored(submitBuild(submission, idempotencyKey(request), parts));
      note(acceptedNote(accepted));
      sendAccepted(response, accepted);
    },

    async listBuilds(request, response, { principal }) {
      const { limit, cursor, ...filter } = parsed(buildQuery, request.query, 'query ');
      const page = await stored(buildsOf(principal).list(filter, { limit, cursor }));
      sendJson(response, 200, {
        builds: page.builds.map(viewBuild),
        ...(page.next !== undefined && { next: page.next }),
      });
    },

    async getBuild(request, response, { principal }) {
      const id = idOf(request);
      const { wait } = parsed(waitQuery, request.query, 'query ');
      const build = await found(id, principal);
      if (wait === 0 || isTerminal(build.record.state)) return sendJson(response, 200, viewBuild(build));
      const signal = AbortSignal.any([AbortSignal.timeout(wait * 1_000), goneSignal(response), closing]);
      const ended = await watch.until(id, ({ record }) => isTerminal(record.state), signal);
      sendJson(response, 200, viewBuild(ended ?? (await found(id, principal))));
    },

    async cancelBuild(request, response, { principal }) {
      const signal = AbortSignal.any([AbortSignal.timeout(config.cancelWaitMs), goneSignal(response), closing]);
      const { build, confirmed } = await within(
        config.storeTimeoutMs + config.cancelWaitMs,
        cancelBuild(idOf(request), { builds: buildsOf(principal), watch, signal }),
      );
      sendJson(response, confirmed ? 200 : 202, viewBuild(build));
    },

    async retryBuild(request, response, { principal, note }) {
      const parts = {
        ...{ builds: buildsOf(principal), blobs, buildSecrets, principal, untrustedPush: config.untrustedPush },
        rulesOf: (team: string) => rulesFor(principal, team),
      };
      const accepted = await stored(retryBuild(idOf(request), idempotencyKey(request), parts));
      note(acceptedNote(accepted));
      sendAccepted(response, accepted);
    },

    async readLog(request, response, { principal }) {
      const id = idOf(request);
      const query = parsed(logStreamQuery, request.query, 'query ');
      const own = { ...sending, builds: buildsOf(principal) };
      await sendLog(own, request, response, { id, query, format: logFormat(request, query.format) });
    },

    async readPlacement(request, response, { principal }) {
      const { record } = await found(idOf(request), principal);
      const { sharedRun } = record;
      const run = sharedRun === undefined ? record : (await found(sharedRun, principal)).record;
      sendJson(response, 200, viewPlacement(run, await stored(deps.builds.decisions(run.id))));
    },

    async readArtifact(request, response, { principal }) {
      const { record } = await found(idOf(request), principal);
      const { sharedRun } = record;
      const run = sharedRun === undefined ? record : (await stored(buildsOf(principal).get(sharedRun)))?.record;
      const key = run && artifactKey(run.id, currentAttempt(run)?.number ?? 0);
      const info = key && record.result?.artifact && (await blobs.stat(key));
      const blob = info && (await blobs.open(key));
      if (!info || !blob) {
        const got = record.result?.artifact
          ? 'an artifact that is no longer kept'
          : `a build that is ${record.state} and has none`;
        throw fieldProblem('artifact_not_found', 'id', got, 'a succeeded build with output.type artifact');
      }
      await sendBlob(response, blob, {
        'Content-Type': 'application/x-tar',
        'Content-Length': info.sizeBytes,
        'Content-Disposition': `attachment; filename="${record.id}.tar"`,
      });
    },

    ...hostHandlers(config, deps),
    ...tokenHandlers(config, { ...deps, now }),
    ...secretHandlers(config, deps),
    ...scheduleHandlers(config, scheduling),
    ...limitHandlers(config, { ...deps, book: rules.book }),
    ...loginHandlers(config, { ...deps, cookies, now }),
    ...hookHandlers(config, { ...deps, now }, { watch: deliveryWatch, closing }),
    readAudit: auditHandler(config, deps.audit, closing),

    async readContext(request, response, { principal: { team } }) {
      const digest = parameter(contextDigest, 'digest', request.params.digest);
      const isOwn = team === ALL_TEAMS || (await stored(contextTeams.has(digest, team)));
      const info = isOwn ? await blobs.stat(contextKey(digest)) : undefined;
      const blob = info && (await blobs.open(contextKey(digest)));
      if (!blob) throw fieldProblem('context_not_found', 'digest', digest, 'a context that is stored here');
      await sendBlob(response, blob, {
        'Content-Type': 'application/octet-stream',
        'Content-Length': info.sizeBytes,
        ETag: `"${digest}"`,
        'Cache-Control': 'private, immutable, max-age=31536000',
      });
    },

    async storeArtifact(request, response, { principal }) {
      const name = parameter(artifactName, 'name', request.params.name);
      const [id = '', attempt = ''] = name.split('-');
      const { record } = await found(id, principal);
      const live = currentAttempt(record);
      if (live?.number !== Number(attempt) || live.endedAt !== undefined) {
        throw new ApiProblem(
          'already_finished',
          `attempt ${attempt} is not the build’s live one: what it made is not stored`,
        );
      }
      const body = Readable.from(wholeBody(request), { objectMode: false });
      const stored = storeArtifact(blobs, artifactKey(id, Number(attempt)), body, record);
      sendJson(response, 201, await stored.catch(artifactProblem));
    },

    async health(_request, response) {
      response.type('text/plain').send('ok\n');
    },

    async ready(_request, response) {
      if (closing.aborted) throw new ApiProblem('unavailable', 'this process stops');
      const reading = Promise.all([deps.memory.read(liveLogSettings(config)), deps.replicas?.(), hosts.list()]);
      const [memory, replicas] = await within(READY_MS, reading).catch((error: unknown) => {
        throw error instanceof ApiProblem ? error : new ApiProblem('unavailable', 'Kiln’s Redis answers with an error');
      });
      const lines = ['ready', ...memoryLines(memory), ...replicaLines(replicas)];
      response.type('text/plain').send(`${lines.join('\n')}\n`);
    },

    async openapi(_request, response) {
      sendJson(response, 200, openapi);
    },

    docs: docsPage,
  };
}

function artifactProblem(error: unknown): never {
  if (!(error instanceof BlobTooLarge)) throw error;
  const [got, expected] = [error.message, `at most ${error.maxBytes} bytes (limit artifactBytes)`];
  throw fieldProblem('body_too_large', 'artifact', got, expected);
}

function sendAccepted(response: Response, { build, replayed }: Accepted): void {
  const view = viewBuild(build);
  response.setHeader('Location', view.links.self);
  if (replayed) response.setHeader('Idempotency-Replayed', 'true');
  sendJson(response, 202, view);
}

function acceptedNote({ build: { record }, replayed }: Accepted): AuditNote {
  const { id, team, repo, retryOf, trust = 'trusted' } = record;
  return {
    target: id,
    details: { team, repo, trust, ...(retryOf !== undefined && { retryOf }), ...(replayed && { replayed: 'true' }) },
  };
}

function idempotencyKey(request: Request): RequestKey | undefined {
  const key = request.get('idempotency-key');
  return key === undefined ? undefined : { space: 'request', key };
}

function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  return gone.signal;
}
