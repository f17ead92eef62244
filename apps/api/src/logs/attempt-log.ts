import type { EndRecord } from '@kiln/contracts';
import { isTerminal } from '@kiln/domain';
import { type Metrics, NO_METRICS, observeMs } from '@kiln/metrics';
import type { BuildStore, LogBatch, LogName, StoredBuild } from '@kiln/state';
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
  readonly metrics?: Metrics | undefined;
}

const RETRY_MS = { first: 100, most: 2_000 };
/** The time with which a stored record begins, ms since the epoch. */
const RECORD_TIME = /^\{"t":(\d{13})[,.]/;

/**
 * The log of one attempt, shared by all its watchers: one reader on the live stream, a ring of the records it read last, and pages for
 * watchers that are further behind. The reader advances only when the foremost watcher needs more; a slow watcher falls out of the ring
 * and catches up by pages. Watchers aren't listed: each passes its position.
 */
export class AttemptLog implements AsyncDisposable {
  readonly ref: LogName;
  readonly #deps: AttemptLogDeps;
  readonly #ring: LogRing;
  readonly #waiting = new Set<() => void>();
  readonly #stop = new AbortController();
  /** The last record that the reader has read, or the position at which it will start. */
  #head: number | undefined;
  #tail: LiveTail | undefined;
  #pump: Promise<void> | undefined;
  #retryMs = RETRY_MS.first;
  /** The reader has read what there was when it began: what it reads next is new. */
  #isCurrent = false;
  /** The attempt has ended, so its log is complete: no more records will be added. */
  #isOver = false;
  #end: EndRecord | undefined;

  constructor(ref: LogName, deps: AttemptLogDeps) {
    this.ref = ref;
    this.#deps = deps;
    this.#ring = new LogRing(deps.ringChars);
  }

  /** The closing record, once a watcher has reached it. */
  get end(): EndRecord | undefined {
    return this.#end;
  }

  /**
   * The records right after `seq`. With `wait`, waits for them as long as the attempt runs. Undefined if nothing follows, if there is
   * nothing yet and `wait` isn't set, or if `signal` aborts.
   * @throws LogGap; the stores' errors, except those of the live reader, which retries
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

  /** Learns from the build's record whether this attempt has ended. */
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

  /** Reads a page if the ring doesn't have the records, or says what to do instead. */
  async #beside(seq: number, wait: boolean): Promise<LogChunk | undefined | 'wait' | 'look again'> {
    const isBehind = this.#head !== undefined && seq < this.#head;
    if (!this.#isOver && wait && !isBehind) return 'wait';
    // Checked before the page is read: if the attempt ends in between, the page may lack its last records.
    const wasOver = this.#isOver;
    const page = await this.#deps.pages.after(this.ref, seq);
    if (page || !wait) return page;
    if (wasOver) return this.#missingEnd(seq);
    // Other watchers have read these records, but they are gone: the stream has expired, or records were lost.
    await this.#refresh();
    if (!this.#isOver) throw new LogGap(this.ref, seq + 1, undefined);
    return 'look again';
  }

  /** Makes the reader advance, and waits for its result. */
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
      this.#observeDelay(batches);
      for (const { firstSeq, lines } of batches) this.#push(new LogChunk(this.ref.attempt, firstSeq, lines));
      this.#retryMs = RETRY_MS.first;
      // Nothing for a while: an event may have been missed while Redis was away, so the record is checked.
      if (batches.length === 0 && !this.#isOver) await this.#refresh();
    } catch (error) {
      if (this.#stop.signal.aborted || this.#isOver) return;
      log.warn({ ...this.ref, err: error, retryMs: this.#retryMs }, 'log reader failed');
      await this.#closeTail();
      await this.#pause();
    }
  }

  /** Observes how old the first new record is. */
  #observeDelay([first, ...others]: readonly LogBatch[]): void {
    const { metrics = NO_METRICS } = this.#deps;
    const time = this.#isCurrent ? RECORD_TIME.exec(first?.lines[0] ?? '')?.[1] : undefined;
    if (time !== undefined) observeMs(metrics, 'kiln_log_delivery_delay_seconds', Date.now() - Number(time));
    this.#isCurrent ||= others.length === 0;
  }

  #push(chunk: LogChunk): void {
    const head = this.#head ?? 0;
    if (chunk.lastSeq <= head) return;
    // The records in between were moved to the blob store before they were read here; pages have them.
    if (chunk.firstSeq > head + 1) this.#ring.clear();
    this.#ring.push(chunk.after(head));
    this.#head = chunk.lastSeq;
    if (!chunk.end) return;
    this.#isOver = true;
    void this.#closeTail();
  }

  /**
   * The attempt is over and nothing follows `seq`, usually because `seq` is the end. If the log lost its end (Redis lost its last
   * second), an end is made from the build's record, so that watchers don't wait for ever.
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
    this.#deps.log.error({ ...this.ref, seq }, 'log has no end');
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

/** Makes the `end` record of an attempt, or of a build that ended between attempts, from the build's record. */
export function endOfAttempt({ record }: Pick<StoredBuild, 'record'>, attempt: number): EndRecord {
  const run = record.attempts[attempt - 1];
  const isLast = record.attempts.length <= attempt;
  const isRequeued = run?.end === 'lost' && !(isLast && isTerminal(record.state));
  const failure = run?.failure ?? record.failure;
  return {
    t: run?.endedAt ?? record.finishedAt ?? record.queuedAt,
    type: 'end',
    state: isRequeued ? 'queued' : record.state,
    ...(failure && { failure: { ...failure } }),
  };
}
