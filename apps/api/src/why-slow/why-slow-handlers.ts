import { Readable } from 'node:stream';
import type { TreeStore } from '@kiln/blobs';
import {
  artifactName,
  type OperationId,
  TRACE_LIMITS,
  traceKey,
  type WhySlowView,
  whySlowQuery,
} from '@kiln/contracts';
import {
  type Attempt,
  type BuildRecord,
  cacheKey,
  currentAttempt,
  explainMisses,
  type RepoEviction,
  readCacheKey,
} from '@kiln/domain';
import type { EvictionStore, HostEviction, LearnedStore, MeteredBlobs, StoredBuild } from '@kiln/state';
import { compareContexts } from '@kiln/trees';
import type { Logger } from 'pino';
import type { Handler } from '../access/call.ts';
import { visibleBuilds } from '../access/visible-builds.ts';
import { buildFinder, buildIdOf } from '../builds/find-build.ts';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { fieldProblem, parameter, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { readAll } from '../http/read-json.ts';
import type { Builds } from '../ports.ts';
import { baselineOf, comparableBuilds } from './comparable-builds.ts';
import { StoredTraces } from './stored-traces.ts';
import { viewWhySlow } from './why-slow-view.ts';

type WhySlowOperation = Extract<OperationId, 'readWhySlow' | 'storeTrace'>;

/** A worker stores the record of an attempt within this time of its end, and at most this long a request waits for it, ms. */
const STORED_WITHIN_MS = 20_000;
const WAIT_MS = 2_000;
/** How many builds the usual time is the median of. */
const USUAL_OF = 15;

export interface WhySlowDeps {
  readonly builds: Builds;
  readonly blobs: MeteredBlobs;
  readonly trees: TreeStore;
  readonly learned: Pick<LearnedStore, 'expected'>;
  readonly evictions: Pick<EvictionStore, 'of'>;
  readonly closing: AbortSignal;
  readonly now: () => number;
  readonly log: Logger;
}

/** The routes of what attempts used and did: workers store it, and it explains builds. */
export function whySlowHandlers(
  { storeTimeoutMs }: Pick<ApiConfig, 'storeTimeoutMs'>,
  { builds, blobs, trees, learned, evictions, closing, now, log }: WhySlowDeps,
): Record<WhySlowOperation, Handler> {
  const find = buildFinder(builds, storeTimeoutMs);
  const traces = new StoredTraces(blobs, log);

  /** @param run the build whose attempts explain it: its own, or those of the run that it shares @returns why it can't, if nothing is recorded */
  async function explained(
    run: StoredBuild,
    attempt: Attempt,
    visible: Pick<Builds, 'list'>,
  ): Promise<WhySlowView | 'running' | 'storing' | 'not_recorded'> {
    const { record } = run;
    if (attempt.endedAt === undefined) return 'running';
    const mayBeStoring = attempt.end !== 'lost' && now() - attempt.endedAt < STORED_WITHIN_MS;
    if (mayBeStoring && !(await traces.awaited(record.id, attempt.number, WAIT_MS, closing))) return 'storing';
    const trace = await traces.read(record.id, attempt.number);
    if (!trace) return 'not_recorded';
    const comparable = await comparableBuilds(visible, run, trace.startedAt);
    const baseline = await baselineOf(traces, trace, comparable);
    const files =
      baseline &&
      (await compareContexts((digest) => trees.directory(record.team, digest), baseline.trace.context, trace.context));
    const [expected, evicted] = await Promise.all([
      learned.expected(cacheKey(record)),
      baseline ? evictions.of(attempt.host) : [],
    ]);
    return viewWhySlow({
      ...{ record, attempt, trace, baseline },
      steps: explainMisses({
        trace,
        ...(baseline && files && { with: { trace: baseline.trace, files } }),
        evictions: layersOf(cacheKey(record), evicted),
      }),
      usualRuns: comparable.slice(0, USUAL_OF).flatMap(runOf),
      coldMs: expected?.cold,
    });
  }

  return {
    async readWhySlow(request, response, { principal }) {
      const { attempt: number } = parsed(whySlowQuery, request.query, 'query ');
      const build = await find(buildIdOf(request), principal);
      const { sharedRun } = build.record;
      const run = sharedRun === undefined ? build : await find(sharedRun, principal);
      const attempt = chosenAttempt(run.record, number);
      const own = { build: build.record.id };
      if (!attempt) return sendJson(response, 200, { ...own, notRecorded: 'not_started' });
      const view = await within(storeTimeoutMs + WAIT_MS, explained(run, attempt, visibleBuilds(builds, principal)));
      if (typeof view === 'object') return sendJson(response, 200, { ...view, ...own });
      const { number: shown, host, end } = attempt;
      sendJson(response, 200, { ...own, attempt: shown, host, ...(end && { end }), notRecorded: view });
    },

    async storeTrace(request, response, { principal }) {
      const name = parameter(artifactName, 'name', request.params.name);
      const [id = '', attempt = ''] = name.split('-');
      const { record } = await find(id, principal);
      if (!record.attempts.some(({ number }) => number === Number(attempt)))
        throw fieldProblem('invalid_request', 'name', name, 'the number of one of the build’s attempts');
      const packed = await readAll(request, TRACE_LIMITS.blobBytes);
      await blobs.put(traceKey(id, Number(attempt)), Readable.from([packed]));
      response.status(204).end();
    },
  };
}

/** Returns the evictions of a repo's layers, the oldest first. Another team's repo isn't named. */
function layersOf(key: string, evictions: readonly HostEviction[]): RepoEviction[] {
  const { team } = readCacheKey(key);
  return evictions
    .filter(({ repo, mount }) => repo === key && mount === undefined)
    .map(({ at, bytes, reason, roomFor }) => {
      const other = roomFor === undefined ? undefined : readCacheKey(roomFor);
      return { at, bytes, reason, ...(other?.team === team && { roomFor: other.repo }) };
    })
    .reverse();
}

/** @throws ApiProblem `invalid_request` if the build has no attempt of this number */
function chosenAttempt(record: BuildRecord, number: number | undefined): Attempt | undefined {
  if (number === undefined) return currentAttempt(record);
  const found = record.attempts.find((attempt) => attempt.number === number);
  if (found) return found;
  const last = record.attempts.at(-1)?.number;
  const expected =
    last === undefined ? 'none, as no attempt has begun' : `an attempt of the build, the last of which is ${last}`;
  throw fieldProblem('invalid_request', 'query attempt', String(number), expected);
}

function runOf(record: BuildRecord): number[] {
  const startedAt = currentAttempt(record)?.startedAt;
  return startedAt === undefined || record.finishedAt === undefined ? [] : [Math.max(0, record.finishedAt - startedAt)];
}
