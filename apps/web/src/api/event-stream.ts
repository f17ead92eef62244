import { createParser } from 'eventsource-parser';
import { type CallInit, send } from './call.ts';
import { isPassing } from './problem.ts';
import { reconnectMs } from './reconnect.ts';

export interface StreamEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

export interface StreamOptions {
  readonly signal: AbortSignal;
  /** Called with true when the stream is open, and with false when it was lost and is about to be opened again. */
  readonly onConnection?: (isOpen: boolean) => void;
  /** Whether all has been received, so that the end of the stream is no loss. Default: it is opened again whenever it ends. */
  readonly isOver?: () => boolean;
  readonly query?: CallInit['query'];
  /** Where `after` the first connection continues. */
  readonly lastEventId?: string;
}

/** No event and no heartbeat for this long, ms: the connection is taken for lost. The server beats every 15 s. */
const SILENCE_MS = 40_000;

/**
 * Follows a route's server-sent events by fetch, whose failures have a reason, unlike those of EventSource. Connects again by itself, with
 * the id of the last event. Calls `onBatch` with the events that arrived together. @throws ApiError for a failure that stays
 */
export async function followEvents(
  path: string,
  onBatch: (events: readonly StreamEvent[]) => void,
  { signal, onConnection, isOver = () => false, query, lastEventId }: StreamOptions,
): Promise<void> {
  let last = lastEventId;
  let failures = 0;
  while (!signal.aborted) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const headers = { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) };
      const answer = await send(path, { query, headers, signal: AbortSignal.any([signal, silence.signal]) });
      if (answer.status === 204 || !answer.body) return;
      onConnection?.(true);
      let batch: StreamEvent[] = [];
      const parser = createParser({
        onEvent: ({ id, event = 'message', data }) => {
          last = id ?? last;
          batch.push({ id, event, data });
        },
      });
      const decoder = new TextDecoder();
      const reader = answer.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        failures = 0;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        parser.feed(decoder.decode(value, { stream: true }));
        if (batch.length > 0) onBatch(batch);
        batch = [];
      }
      if (isOver()) return;
    } catch (error) {
      if (signal.aborted) return;
      if (!silence.signal.aborted && !isPassing(error) && !isBroken(error)) throw error;
    } finally {
      clearTimeout(timer);
    }
    if (signal.aborted) return;
    onConnection?.(false);
    await pause(reconnectMs(failures, Math.random), signal);
    failures += 1;
  }
}

/** Whether reading a body failed, which `fetch` reports as a TypeError. */
function isBroken(error: unknown): boolean {
  return error instanceof TypeError;
}

/** Waits; shorter if the browser comes back online meanwhile. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener('online', end);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    window.addEventListener('online', end);
    signal.addEventListener('abort', end);
  });
}
