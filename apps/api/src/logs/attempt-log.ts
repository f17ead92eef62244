import type { EndRecord } from '@kiln/contracts';
import { isTerminal } from '@kiln/domain';
import type { BuildStore, LogName, StoredBuild } from '@kiln/state';
import type { Logger } from 'pino';
import type { LiveLogs, LiveTail } from './live-logs.ts';
import { LogChunk } from './log-chunk.ts';
import { LogGap, type LogPages } from './log-pages.ts';
import { LogRing } from './log-ring.ts';

export interface AttemptLogDeps {
  readonly logs: Pick<LiveLogs, 'openTail'>;
  readonly builds: Pick<BuildStore, 'get'>;
  readonly pages: LogPages;
  readonly ringChars: number;
  readonly log: Logger;
}

const RETRY_MS = { first: 100, most: 2_000 };

/**
 * The log of one attempt, for all who watch it: one reader on the live stream, a ring of what it read last, pages for those who
 * are further behind. The reader goes on when the foremost watcher needs more, so nobody's log is read ahead of him; a slow
 * watcher falls out of the ring and catches up by pages. It keeps no list of watchers: each brings his position.
 */
export class AttemptLog implements AsyncDisposable {
  readonly ref: LogName;
  readonly #deps: AttemptLogDeps;
  readonly #ring: LogRing;
  readonly #waiting = new Set<() => void>();
  readonly #stop = new AbortController();
  /** The last record that the reader has read, or where it will begin. */
  #head: number | undefined;
  #tail: LiveTail | undefined;
  #pump: Promise<void> | undefined;
  #retryMs = RETRY_MS.first;
  /** The attempt has ended, so its log is complete: what isn't there now never will be. */
  #isOver = false;
  #end: EndRecord | undefined;

  constructor(ref: LogName, deps: AttemptLogDeps) {
    this.ref = ref;
    this.#deps = deps;
    this.#ring = new LogRing(deps.ringChars);
  }

  /** The closing record, once a watcher has come to it. */
  get end(): EndRecord | undefined {
    return this.#end;
  }

  /**
   * The records right after `seq`. Waits for them where `wait` is set and the attempt goes on; undefined where nothing follows,
   * nothing is there yet and `wait` isn't set, or `signal` aborted.
   * @throws LogGap; the stores' errors, but not those of the live reader, which tries again
   */
  async after(seq: number, wait: boolean, signal: AbortSignal): Promise<LogChunk | undefined> {
    while (!signal.aborted && !this.#stop.signal.aborted) {
      const chunk = this.#ring.after(seq) ?? (await this.#beside(seq, wait));
      if (chunk === 'wait') await this.#advance(seq, signal);
      else if (chunk !== 'look again') {
        if (chunk?.end) this.#end = chunk.end;
        return chunk;
      }
    }
    return undefined;
  }

  /** What is known of the build: whether this attempt has ended. */
  note({ record }: Pick<StoredBuild, 'record'>): void {
    const attempt = record.attempts[this.ref.attempt - 1];
    if (attempt?.endedAt === undefined && !isTerminal(record.state) && record.attempts.length <= this.ref.attempt)
      return;
    if (this.#isOver) return;
    this.#isOver = true;
    void this.#closeTail();
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#closeTail();
    await this.#pump;
  }

  /** What to do where the ring doesn't have it. */
  async #beside(seq: number, wait: boolean): Promise<LogChunk | undefined | 'wait' | 'look again'> {
    const isBehind = this.#head !== undefined && seq < this.#head;
    if (!this.#isOver && wait && !isBehind) return 'wait';
    // Asked before the page is read: what ended in between has its last records in no page that was read before.
    const wasOver = this.#isOver;
    const page = await this.#deps.pages.after(this.ref, seq);
    if (page || !wait) return page;
    if (wasOver) return this.#missingEnd(seq);
    // Others have read it here, and it is gone: the stream has expired, or records were lost.
    await this.#refresh();
    if (!this.#isOver) throw new LogGap(this.ref, seq + 1, undefined);
    return 'look again';
  }

  /** Lets the reader read on, and waits for what it brings. */
  async #advance(seq: number, signal: AbortSignal): Promise<void> {
    this.#head ??= seq;
    const woken = this.#woken(signal);
    this.#pump ??= this.#read().finally(() => {
      this.#pump = undefined;
      this.#wake();
    });
    await woken;
  }

  async #read(): Promise<void> {
    const { logs, log } = this.#deps;
    try {
      this.#tail ??= logs.openTail(this.ref.buildId, this.ref.attempt, this.#head ?? 0);
      const batches = await this.#tail.next(this.#stop.signal);
      for (const { firstSeq, lines } of batches) this.#push(new LogChunk(this.ref.attempt, firstSeq, lines));
      this.#retryMs = RETRY_MS.first;
      // Nothing for a while. An event may have been missed while Redis was away; the record knows.
      if (batches.length === 0 && !this.#isOver) await this.#refresh();
    } catch (error) {
      if (this.#stop.signal.aborted || this.#isOver) return;
      log.warn({ ...this.ref, err: error, retryMs: this.#retryMs }, 'log reader failed');
      await this.#closeTail();
      await this.#pause();
    }
  }

  #push(chunk: LogChunk): void {
    const head = this.#head ?? 0;
    if (chunk.lastSeq <= head) return;
    // What lies between was moved to the blob store before it was read here. Whoever needs it finds it by pages.
    if (chunk.firstSeq > head + 1) this.#ring.clear();
    this.#ring.push(chunk.after(head));
    this.#head = chunk.lastSeq;
    if (!chunk.end) return;
    this.#isOver = true;
    void this.#closeTail();
  }

  /**
   * The attempt is over and nothing follows `seq`: usually because `seq` is the end. Where the log has no end (Redis lost its
   * last second), the record knows how the attempt ended, and a watcher is told rather than left waiting.
   */
  async #missingEnd(seq: number): Promise<LogChunk | undefined> {
    if (seq === 0) return undefined;
    const last = await this.#deps.pages.after(this.ref, seq - 1);
    if (!last) return undefined;
    if (last.end) {
      this.#end = last.end;
      return undefined;
    }
    const build = await this.#deps.builds.get(this.ref.buildId);
    if (!build) return undefined;
    this.#deps.log.error({ ...this.ref, seq }, 'log without an end');
    return new LogChunk(this.ref.attempt, seq + 1, [JSON.stringify(endOfAttempt(build, this.ref.attempt))]);
  }

  async #refresh(): Promise<void> {
    const build = await this.#deps.builds.get(this.ref.buildId);
    if (build) this.note(build);
  }

  async #closeTail(): Promise<void> {
    const tail = this.#tail;
    this.#tail = undefined;
    await tail?.[Symbol.asyncDispose]();
  }

  #woken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  async #pause(): Promise<void> {
    const timer = setTimeout(() => this.#wake(), this.#retryMs);
    this.#retryMs = Math.min(RETRY_MS.most, this.#retryMs * 2);
    await this.#woken(this.#stop.signal);
    clearTimeout(timer);
  }
}

/** The `end` of an attempt, or of a build that ended between attempts, as its record tells it. */
export function endOfAttempt({ record }: Pick<StoredBuild, 'record'>, attempt: number): EndRecord {
  const run = record.attempts[attempt - 1];
  const isLast = record.attempts.length <= attempt;
  const goesOn = run?.end === 'lost' && !(isLast && isTerminal(record.state));
  const failure = run?.failure ?? record.failure;
  return {
    t: run?.endedAt ?? record.finishedAt ?? record.queuedAt,
    type: 'end',
    state: goesOn ? 'queued' : record.state,
    ...(failure && { failure: { ...failure } }),
  };
}
