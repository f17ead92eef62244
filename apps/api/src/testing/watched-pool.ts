import type { LogRecord } from '@kiln/contracts';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { BuildWatch } from '../builds/build-watch.ts';
import { ArchivedLogs } from '../logs/archived-logs.ts';
import { followBuild } from '../logs/follow-build.ts';
import { LogArchiver } from '../logs/log-archiver.ts';
import { LogHub } from '../logs/log-hub.ts';
import { LogMover } from '../logs/log-mover.ts';
import { LogPages } from '../logs/log-pages.ts';
import { LogPieces } from '../logs/log-pieces.ts';
import { FakePool, ticks } from './fake-pool.ts';
import { MemoryBlobs } from './memory-blobs.ts';

const INCARNATION = 'i';
const quiet = pino({ level: 'silent' });

/** A pool with one build, watched through budgets so small that everything overflows. */
export class WatchedPool implements AsyncDisposable {
  readonly pool = new FakePool();
  readonly blobs = new MemoryBlobs();
  readonly archiver = new LogArchiver(this.pool.logs, this.blobs, quiet);
  readonly archive = new ArchivedLogs(this.blobs);
  readonly watch = new BuildWatch(this.pool.builds, this.pool.events, 5);
  readonly hub: LogHub;
  readonly stop = new AbortController();

  constructor({ ringChars = 400, pageChars = 600, lingerMs = 0 } = {}) {
    const { builds, logs, events } = this.pool;
    const pages = new LogPages(logs, new LogPieces(logs, this.blobs), this.archive, pageChars);
    this.hub = new LogHub({ builds, logs, events, pages, ringChars, lingerMs, log: quiet });
  }

  mover(): LogMover {
    return new LogMover({ logs: this.pool.logs, blobs: this.blobs, log: quiet, now: () => 0 });
  }

  follow(from = { attempt: 1, seq: 0 }, { follow = true, only = undefined as number | undefined } = {}) {
    const { signal } = this.stop;
    return followBuild(this.hub, this.watch, { buildId: this.pool.id, from, only, follow, signal });
  }

  /** The ids of all records that a watcher gets, resting for `rest` turns of the event loop after each chunk. */
  async ids(from?: { attempt: number; seq: number }, rest = 0, options?: { follow?: boolean; only?: number }) {
    const ids: string[] = [];
    for await (const chunk of this.follow(from, options)) {
      for (let i = 0; i < chunk.lines.length; i += 1) ids.push(`${chunk.attempt}.${chunk.firstSeq + i}`);
      await ticks(rest);
    }
    return ids;
  }

  /** Assigns and starts an attempt; returns its number. */
  begin(): number {
    this.pool.apply({ type: 'assign', host: 'h', incarnation: INCARNATION });
    const attempt = this.pool.record.attempts.length;
    this.pool.apply({ type: 'start', attempt, incarnation: INCARNATION });
    return attempt;
  }

  lose(attempt: number): void {
    this.pool.apply({ type: 'lose', attempt, failure: { code: 'infrastructure', message: 'gone' } });
  }

  succeed(attempt: number): void {
    this.pool.apply({ type: 'finish', attempt, incarnation: INCARNATION, outcome: { end: 'succeeded' } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    await this.hub[Symbol.asyncDispose]();
    this.watch[Symbol.dispose]();
  }
}

/** Creates a `WatchedPool` that is disposed of when the test is finished. */
export function watchedPool(options?: ConstructorParameters<typeof WatchedPool>[0]): WatchedPool {
  const made = new WatchedPool(options);
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made;
}

const output = (n: number): LogRecord => ({ t: n, type: 'output', step: 1, stream: 'stdout', data: `line ${n}\n` });
/** Output records to append to a log. */
export const outputs = (count: number) => Array.from({ length: count }, (_, i) => output(i));
