import type { IncomingMessage, ServerResponse } from 'node:http';
import { type LogPosition, type logStreamQuery, parseLogId } from '@kiln/contracts';
import { isTerminal } from '@kiln/domain';
import type { LogStore } from '@kiln/state';
import type { z } from 'zod';
import type { BuildWatch } from '../builds/build-watch.ts';
import { buildNotFound } from '../builds/find-build.ts';
import { ApiProblem, fieldProblem } from '../http/api-problem.ts';
import type { Builds } from '../ports.ts';
import type { ArchivedLogs } from './archived-logs.ts';
import { followBuild } from './follow-build.ts';
import { followSharedRun } from './follow-shared-run.ts';
import type { LogChunk, LogFormat, TextState } from './log-chunk.ts';
import type { LogHub } from './log-hub.ts';
import { dropStalled, LogResponse } from './log-response.ts';

export interface LogSendDeps {
  readonly builds: Builds;
  readonly logs: Pick<LogStore, 'exists'>;
  readonly archive: ArchivedLogs;
  readonly hub: LogHub;
  readonly watch: BuildWatch;
  readonly heartbeatMs: number;
  /** How long a client may read nothing of pending output before it is disconnected, ms. */
  readonly idleMs: number;
  readonly retryMs: number;
  /** Aborts when the process stops. */
  readonly closing: AbortSignal;
}

type LogQuery = z.output<typeof logStreamQuery>;

const MEDIA_TYPES: Readonly<Record<LogFormat, string>> = {
  sse: 'text/event-stream',
  ndjson: 'application/x-ndjson',
  text: 'text/plain; charset=utf-8',
};

/** Keep-alives: a comment, an empty line. */
const KEEP_ALIVES: Readonly<Partial<Record<LogFormat, string>>> = { sse: ': alive\n\n', ndjson: '\n' };

/** Answers `GET /v1/builds/:id/logs`. @throws ApiProblem before anything is sent; the stores' errors */
export async function sendLog(
  sending: LogSendDeps,
  request: IncomingMessage,
  response: ServerResponse,
  { id, query, format }: { id: string; query: LogQuery; format: LogFormat },
): Promise<void> {
  const from = startOf(request, query);
  const build = await sending.builds.get(id);
  if (!build) throw buildNotFound(id);
  const { sharedRun } = build.record;
  const run = sharedRun === undefined ? build : await sending.builds.get(sharedRun);
  if (!run) throw logNotFound(id);
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, sending.closing]);
  const wanted = { buildId: id, from, only: query.attempt, follow: query.follow, signal };
  const chunks =
    sharedRun === undefined
      ? followBuild(sending.hub, sending.watch, wanted)
      : followSharedRun(sending.hub, sending.watch, wanted, sharedRun);
  // For an ended build, the first records are read while a status can still be sent, since there may be none.
  const ended = isTerminal(build.record.state);
  const first = ended ? await chunks.next() : undefined;
  if (first?.done && !signal.aborted) {
    if (!(await hasLog(sending, run.record.id, from, run.record.attempts.length))) throw logNotFound(id);
    if (query.follow && from.seq > 0) {
      response.statusCode = 204;
      response.end();
      return;
    }
  }
  await stream(sending, response, format, first && !first.done ? withFirst(first.value, chunks) : chunks);
}

async function stream(
  { heartbeatMs, idleMs, retryMs, closing }: LogSendDeps,
  response: ServerResponse,
  format: LogFormat,
  chunks: AsyncIterable<LogChunk>,
): Promise<void> {
  response.writeHead(200, {
    'Content-Type': MEDIA_TYPES[format],
    'Cache-Control': 'no-store',
    // Buffering proxies would hold back a quiet log.
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
  const beat = KEEP_ALIVES[format];
  // Plain text has no keep-alives, and a build may be quiet for any time.
  if (beat === undefined) dropStalled(response, idleMs);
  const encode = encoder(format);
  using output = new LogResponse(response, beat === undefined ? undefined : { text: beat, everyMs: heartbeatMs });
  if (format === 'sse') await output.write(`retry: ${retryMs}\n\n`);
  for await (const chunk of chunks) await output.write(encode(chunk));
  if (closing.aborted && format === 'sse') await output.write(': this process is stopping; reconnect\n\n');
  response.end();
}

function encoder(format: LogFormat): (chunk: LogChunk) => Buffer {
  if (format === 'sse') return (chunk) => chunk.sse();
  if (format === 'ndjson') return (chunk) => chunk.ndjson();
  let attempt = 0;
  let state: TextState | undefined;
  return (chunk) => {
    // Each attempt numbers its steps from 1.
    const { bytes, after } = chunk.text(chunk.attempt === attempt ? state : undefined);
    attempt = chunk.attempt;
    state = after;
    return bytes;
  };
}

async function* withFirst(first: LogChunk, rest: AsyncGenerator<LogChunk>): AsyncGenerator<LogChunk> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/** Whether a log exists of the requested attempt, or of a later one. */
async function hasLog(
  { logs, archive }: LogSendDeps,
  buildId: string,
  from: LogPosition,
  attempts: number,
): Promise<boolean> {
  if (from.attempt > attempts) return from.seq > 0;
  for (let attempt = from.attempt; attempt <= attempts; attempt += 1) {
    if ((await logs.exists(buildId, attempt)) || (await archive.exists({ buildId, attempt }))) return true;
  }
  return false;
}

function logNotFound(id: string): ApiProblem {
  return new ApiProblem(
    'log_not_found',
    `build ${id} has no log from there on: it was never written, or is no longer kept`,
  );
}

function startOf({ headers }: IncomingMessage, { after, attempt }: LogQuery): LogPosition {
  const header = headers['last-event-id'];
  const given = typeof header === 'string' && header !== '' ? header : after;
  if (given === undefined) return { attempt: attempt ?? 1, seq: 0 };
  const position = parseLogId(given);
  if (!position)
    throw fieldProblem(
      'invalid_request',
      'header Last-Event-ID',
      given.slice(0, 100),
      'the id of a record, such as 1.42',
    );
  if (attempt === undefined || position.attempt === attempt) return position;
  // The position is in another attempt: the wanted one lies entirely after or before it.
  return { attempt, seq: position.attempt < attempt ? 0 : Number.MAX_SAFE_INTEGER };
}
