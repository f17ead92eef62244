import type { TreeStore } from '@kiln/blobs';
import { buildQuery, type OperationId, retryRequest, waitQuery } from '@kiln/contracts';
import { type BuildRecord, isTerminal, type Principal, waitsForHost } from '@kiln/domain';
import type { Memory, MeteredBlobs, StoredBuild } from '@kiln/state';
import type { Request, Response } from 'express';
import { admitRequest } from '../access/admit-request.ts';
import type { AuditNote, Handler } from '../access/call.ts';
import { visibleBuilds } from '../access/visible-builds.ts';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { hasBody, jsonBody } from '../http/json-body.ts';
import { viewBuild } from './build-view.ts';
import type { BuildWatch } from './build-watch.ts';
import { cancelBuild } from './cancel-build.ts';
import { buildFinder, buildIdOf } from './find-build.ts';
import { viewPlacement } from './placement-view.ts';
import { receiveSubmission } from './receive-submission.ts';
import {
  type Accepted,
  keepContext,
  type RequestKey,
  type RetryDeps,
  retryBuild,
  type SubmissionDeps,
  submitBuild,
} from './submit-build.ts';

type BuildOperation = Extract<
  OperationId,
  'submitBuild' | 'listBuilds' | 'getBuild' | 'cancelBuild' | 'retryBuild' | 'readPlacement'
>;

export interface BuildHandlerDeps extends SubmissionDeps {
  readonly blobs: MeteredBlobs;
  readonly trees: TreeStore;
  readonly memory: Pick<Memory, 'assertRoom'>;
  readonly connectionRules: RetryDeps['connectionRules'];
  /** Reports a retried build to its forge. Never throws. */
  readonly reportRetry: (record: BuildRecord) => Promise<void>;
  readonly watch: BuildWatch;
  /** Aborts when the process stops: requests that wait for a build are then answered with its present state. */
  readonly closing: AbortSignal;
}

/** The routes of builds: submitting, reading, waiting for, canceling and retrying them. */
export function buildHandlers(
  config: ApiConfig,
  { memory, watch, closing, connectionRules, reportRetry, ...submission }: BuildHandlerDeps,
): Record<BuildOperation, Handler> {
  const { blobs, trees, rulesFor } = submission;
  const buildsOf = (principal: Principal) => visibleBuilds(submission.builds, principal);
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const find = buildFinder(submission.builds, config.storeTimeoutMs);
  const viewed = async (builds: readonly StoredBuild[]) => {
    const waiting = builds.filter(({ record }) => waitsForHost(record)).map(({ record }) => record.id);
    const [decisions, ahead] = await stored(
      Promise.all([submission.builds.lastDecisions(waiting), submission.builds.queuedBefore(waiting)]),
    );
    return builds.map((build) => {
      const { id } = build.record;
      return viewBuild(build, decisions.get(id), ahead.get(id));
    });
  };
  const until = (response: Response, ms: number) =>
    AbortSignal.any([AbortSignal.timeout(ms), goneSignal(response), closing]);

  return {
    async submitBuild(request, response, { principal, note }) {
      await using received = await receiveSubmission(request, { blobs, trees }, config, async (asked, named) => {
        const admitted = admitRequest(asked, named, principal, submission.untrustedPush);
        // Checked before a context is read. A request without one is checked on acceptance, after its idempotency key is looked up.
        if (request.is('multipart/form-data')) await stored(memory.assertRoom());
        const rules = await rulesFor(principal, admitted.team);
        await rules.checkTargets(admitted);
        return { request: admitted, maxContextBytes: rules.contextBytes, share: rules.share };
      });
      const rules = await rulesFor(principal, received.request.team);
      const traceparent = request.get('traceparent');
      const own = { ...submission, builds: buildsOf(principal), principal, rules, traceparent };
      const key = idempotencyKey(request);
      await keepContext(received, key, own);
      const accepted = await stored(submitBuild(received, key, own));
      note(acceptedNote(accepted));
      sendAccepted(response, accepted);
    },

    async listBuilds(request, response, { principal }) {
      const { limit, cursor, ...filter } = parsed(buildQuery, request.query, 'query ');
      const page = await stored(buildsOf(principal).list(filter, { limit, cursor }));
      sendJson(response, 200, {
        builds: await viewed(page.builds),
        ...(page.next !== undefined && { next: page.next }),
      });
    },

    async getBuild(request, response, { principal }) {
      const id = buildIdOf(request);
      const { wait } = parsed(waitQuery, request.query, 'query ');
      const build = await find(id, principal);
      if (wait === 0 || isTerminal(build.record.state)) return sendJson(response, 200, (await viewed([build]))[0]);
      const ended = await watch.until(id, ({ record }) => isTerminal(record.state), until(response, wait * 1_000));
      sendJson(response, 200, (await viewed([ended ?? (await find(id, principal))]))[0]);
    },

    async cancelBuild(request, response, { principal }) {
      const signal = until(response, config.cancelWaitMs);
      const { build, confirmed } = await within(
        config.storeTimeoutMs + config.cancelWaitMs,
        cancelBuild(buildIdOf(request), { builds: buildsOf(principal), watch, signal }),
      );
      sendJson(response, confirmed ? 200 : 202, viewBuild(build));
    },

    async retryBuild(request, response, { principal, note }) {
      const own = { ...submission, builds: buildsOf(principal), principal, connectionRules };
      const id = buildIdOf(request);
      const asked = parsed(retryRequest, hasBody(request) ? await jsonBody(request, config.maxJsonBytes) : {});
      const accepted = await stored(retryBuild(id, asked, idempotencyKey(request), own));
      await reportRetry(accepted.build.record);
      note(acceptedNote(accepted));
      sendAccepted(response, accepted);
    },

    async readPlacement(request, response, { principal }) {
      const { record } = await find(buildIdOf(request), principal);
      const { sharedRun } = record;
      const run = sharedRun === undefined ? record : (await find(sharedRun, principal)).record;
      sendJson(response, 200, viewPlacement(run, await stored(submission.builds.decisions(run.id))));
    },
  };
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
