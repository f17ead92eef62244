import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { BlobStore } from '@kiln/blobs';
import { attemptTrace, TRACE_LIMITS, traceKey } from '@kiln/contracts';
import type { AttemptTrace } from '@kiln/domain';
import type { Logger } from 'pino';

const unpack = promisify(gunzip);
const POLL_MS = 100;

/** Reads what workers recorded of attempts. */
export class StoredTraces {
  readonly #blobs: Pick<BlobStore, 'open' | 'stat'>;
  readonly #log: Logger;

  constructor(blobs: Pick<BlobStore, 'open' | 'stat'>, log: Logger) {
    this.#blobs = blobs;
    this.#log = log;
  }

  /** Reads the record of an attempt; undefined if there is none that this version can read. Throws the store's errors. */
  async read(buildId: string, attempt: number): Promise<AttemptTrace | undefined> {
    const stream = await this.#blobs.open(traceKey(buildId, attempt));
    if (!stream) return undefined;
    const packed = await buffer(stream);
    try {
      const json = await unpack(packed, { maxOutputLength: TRACE_LIMITS.jsonBytes });
      const trace = attemptTrace.parse(JSON.parse(json.toString('utf8')));
      if (trace.build === buildId && trace.attempt === attempt) return trace;
      throw new Error(`got the record of build ${trace.build}, attempt ${trace.attempt}`);
    } catch (error) {
      this.#log.warn({ err: error, buildId, attempt }, 'record of an attempt could not be read');
      return undefined;
    }
  }

  /** Waits until an attempt's record is stored, at most `withinMs`: a worker stores it some time after the attempt's end. Returns whether it is. */
  async awaited(buildId: string, attempt: number, withinMs: number, signal: AbortSignal): Promise<boolean> {
    const end = performance.now() + withinMs;
    for (;;) {
      if (await this.#blobs.stat(traceKey(buildId, attempt))) return true;
      if (signal.aborted || performance.now() >= end) return false;
      await delay(POLL_MS);
    }
  }
}
