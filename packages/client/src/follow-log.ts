import { type IdentifiedLogRecord, type LogPosition, parseLogId } from '@kiln/contracts';
import { isPassing } from './answer.ts';
import { KilnProblem, KilnUnreachable } from './errors.ts';
import { logEvents } from './log-events.ts';
import { backoffMs, type ClientDeps } from './retry.ts';
import type { Transport } from './transport.ts';

export interface FollowOptions {
  /** Id of the last record already seen; the log continues after it. Default: from the beginning. */
  readonly from?: string | undefined;
  /** Only this attempt. Default: all attempts in order. */
  readonly attempt?: number | undefined;
  /** Whether to wait for new records. Default: true. */
  readonly follow?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long the API may stay silent before `followLog` throws, in ms. Default: 10 minutes; `Infinity` never gives up. */
  readonly giveUpAfterMs?: number | undefined;
  /** How long a connection may carry nothing, not even a heartbeat, before it is considered dead, in ms. Default: 60 s. */
  readonly silenceMs?: number | undefined;
  /** Called when the connection is lost, with the wait before the next try. */
  readonly onReconnect?: ((error: unknown, delayMs: number) => void) | undefined;
}

const GIVE_UP_AFTER_MS = 600_000;
const SILENCE_MS = 60_000;

/**
 * Yields a build's log, record by record, until its final `end`. Reconnects after every lost connection with the id of
 * the last record that was yielded, so that there is no gap and no repeat. Throws `KilnProblem` if the API refuses,
 * `KilnUnreachable` after `giveUpAfterMs`, and the signal's reason when it aborts.
 */
export async function* followLog(
  transport: Transport,
  deps: ClientDeps,
  id: string,
  options: FollowOptions,
): AsyncGenerator<IdentifiedLogRecord> {
  const { attempt, follow = true, signal, giveUpAfterMs = GIVE_UP_AFTER_MS, silenceMs = SILENCE_MS } = options;
  let last = options.from;
  let heardAt = deps.now();
  let failures = 0;
  for (;;) {
    // Aborts only this connection: when the caller asks for it, when it falls silent, or when the caller stops reading.
    const connection = new AbortController();
    const silence = setTimeout(
      () => connection.abort(new KilnUnreachable(transport.url, 'the connection fell silent')),
      silenceMs,
    );
    let lost: unknown = new KilnUnreachable(transport.url, 'the log stream ended early');
    try {
      const { status, body } = await transport.call(`/v1/builds/${encodeURIComponent(id)}/logs`, {
        query: { format: 'sse', follow, attempt },
        headers: { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) },
        signal: signal ? AbortSignal.any([signal, connection.signal]) : connection.signal,
      });
      // No content: `from` was the log's last record.
      if (status === 204) return;
      for await (const event of logEvents(body)) {
        silence.refresh();
        heardAt = deps.now();
        failures = 0;
        if (event.record === undefined || !isAfter(event.position, last)) continue;
        last = event.position;
        yield event.record;
        // Time that the reader took doesn't count as silence of the API.
        silence.refresh();
        heardAt = deps.now();
        if (event.record.type === 'end' && (attempt !== undefined || event.record.state !== 'queued')) return;
      }
      if (!follow) return;
    } catch (error) {
      signal?.throwIfAborted();
      lost = connection.signal.aborted ? connection.signal.reason : error;
      if (!isRetryable(lost)) throw lost;
    } finally {
      clearTimeout(silence);
      connection.abort();
    }
    failures += 1;
    const delayMs = backoffMs(failures, deps.random);
    if (deps.now() - heardAt + delayMs > giveUpAfterMs) throw lost;
    options.onReconnect?.(lost, delayMs);
    await deps.sleep(delayMs, signal);
  }
}

function isRetryable(error: unknown): boolean {
  if (error instanceof KilnUnreachable) return true;
  return error instanceof KilnProblem && (error.problem.status === 500 || isPassing(error.problem.status));
}

function isAfter(id: string, last: string | undefined): boolean {
  const [a, b] = [parseLogId(id), last === undefined ? undefined : parseLogId(last)];
  return !a || !b || compare(a, b) > 0;
}

function compare(a: LogPosition, b: LogPosition): number {
  return a.attempt - b.attempt || a.seq - b.seq;
}
