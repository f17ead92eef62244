import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { admitBody } from './body-gate.ts';
import type { Pace } from './body-pace.ts';
import { CutOff } from './multipart.ts';

/**
 * Reads a body of any length as it arrives. Only time spent waiting for the client counts towards the pace, however long the caller takes with what has
 * arrived. When it is left early, the rest stays unread.
 * @throws CutOff if the connection is lost or too slow
 */
export async function* pacedBody(message: IncomingMessage & Readable, pace: Pace): AsyncGenerator<Buffer> {
  admitBody(message);
  // When left early the request isn't destroyed: its connection is still needed for the answer.
  const chunks = message.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
  const slow = `less than ${pace.leastBytes} bytes arrived within ${pace.withinMs} ms`;
  let [waitedMs, received] = [0, 0];
  try {
    for (;;) {
      const since = performance.now();
      const next = await orLate(chunks.next(), pace.withinMs - waitedMs, slow);
      if (next.done) break;
      const chunk = next.value as Buffer;
      waitedMs += performance.now() - since;
      received += chunk.length;
      if (received >= pace.leastBytes) [waitedMs, received] = [0, 0];
      else if (waitedMs >= pace.withinMs) throw new CutOff(slow);
      yield chunk;
    }
    if (!message.complete) throw lost();
  } finally {
    // Not awaited: after a time-out it waits for the next chunk first.
    void chunks.return?.().catch(() => {});
  }
}

async function orLate<T>(arriving: Promise<T>, ms: number, slow: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new CutOff(slow)), ms);
  try {
    return await Promise.race([arriving.catch(() => Promise.reject(lost())), late]);
  } finally {
    clearTimeout(timer);
    late.catch(() => {});
  }
}

function lost(): CutOff {
  return new CutOff('the connection was lost');
}
