import type { AttemptCall, HostDisk, HostReport } from '@kiln/contracts';
import type { Logger } from '@kiln/runtime';
import {
  type DesiredState,
  HostNameTaken,
  HostRemoved,
  type HostStore,
  type WorkerIdentity,
  WorkerReplaced,
} from '@kiln/state';

export interface LeaseTimes {
  /** How long a report keeps the host in the pool, ms. */
  readonly leaseTtlMs: number;
  /** How often the worker reports, ms. */
  readonly syncEveryMs: number;
  /** How long before the lease's end everything is killed, ms. Covers what the kill itself takes. */
  readonly fenceMarginMs: number;
}

export const DEFAULT_LEASE: LeaseTimes = { leaseTtlMs: 15_000, syncEveryMs: 3_000, fenceMarginMs: 4_000 };

export interface HostSessionHandlers {
  /** The answer to a report that was sent at `sentAt` (performance.now()). */
  desired(state: DesiredState, sentAt: number): void;
  /** The lease can't be renewed in time: kill everything, now. */
  fence(): void;
  /** The lease holds until `untilMs`, ms since the epoch, less the margin. */
  extended(untilMs: number): Promise<void>;
  /** This worker can't go on: its name is another's, or its host was removed. */
  fatal(error: HostNameTaken | WorkerReplaced | HostRemoved): void;
  /** What runs here now. */
  running(): readonly AttemptCall[];
  /** Room on the data directory's disk; undefined where that can't be told. */
  disk?(): Promise<HostDisk | undefined>;
}

/** Until a failed report is repeated for the first time, ms; doubled with each, up to the usual interval. */
const RETRY_MS = 100;

/**
 * A worker's membership in the pool: reports, renews the lease, and calls `fence` when it can't before somebody else may
 * take over. The lease's end is counted from before the report was sent, so this side's clock is never the late one.
 */
export class HostSession {
  readonly #hosts: HostStore;
  #identity: WorkerIdentity;
  readonly #times: LeaseTimes;
  readonly #handlers: HostSessionHandlers;
  readonly #log: Logger;
  #report: HostReport;
  #timer: NodeJS.Timeout | undefined;
  #fenceTimer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  #again = false;
  /** Reports that failed since the last one that didn't. */
  #failures = 0;
  #closed = false;

  constructor(
    hosts: HostStore,
    report: HostReport,
    identity: WorkerIdentity,
    times: LeaseTimes,
    handlers: HostSessionHandlers,
    log: Logger,
  ) {
    this.#hosts = hosts;
    this.#report = report;
    this.#identity = identity;
    this.#times = times;
    this.#handlers = handlers;
    this.#log = log;
  }

  /** Joins the pool. @throws HostNameTaken @throws WorkerReplaced @throws HostRemoved */
  async join(): Promise<void> {
    this.#identity = { ...this.#identity, epoch: this.#identity.epoch ?? (await this.#hosts.nextEpoch()) };
    await this.#measure();
    await this.#sync();
    this.#schedule();
  }

  /** Reports now, or right after the report under way. */
  poke(): void {
    if (this.#closed) return;
    if (this.#syncing) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#run();
  }

  /** Changes what is reported, and reports it; resolves when the pool knows. */
  async change(change: Partial<HostReport>): Promise<void> {
    this.#report = { ...this.#report, ...change };
    await this.#syncing;
    await this.#sync();
  }

  /** `drained`: because the host was told to drain. */
  async leave(drained: boolean): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#fenceTimer);
    await this.#syncing;
    await this.#hosts.leave(this.#report.name, this.#identity.incarnation, drained);
  }

  /** Stops reporting without a word to the pool, as a killed process would. */
  abandon(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#fenceTimer);
  }

  #schedule(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const { syncEveryMs } = this.#times;
    // A report that failed is repeated much sooner: the lease doesn't wait.
    const afterMs = this.#failures === 0 ? syncEveryMs : Math.min(syncEveryMs, RETRY_MS * 2 ** (this.#failures - 1));
    this.#timer = setTimeout(() => {
      // For the next report: this one's lease doesn't wait for a disk.
      if (this.#failures === 0) void this.#measure();
      this.#run();
    }, afterMs);
  }

  #run(): void {
    this.#syncing = this.#sync()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#syncing = undefined;
        if (this.#again) {
          this.#again = false;
          this.poke();
        } else {
          this.#schedule();
        }
      });
  }

  #failed(error: unknown): void {
    if (error instanceof HostNameTaken || error instanceof WorkerReplaced || error instanceof HostRemoved) {
      this.abandon();
      this.#handlers.fatal(error);
    } else if (!this.#closed) {
      this.#failures += 1;
      this.#log.warn({ err: error }, 'report failed');
    }
  }

  async #measure(): Promise<void> {
    const disk = await this.#handlers.disk?.().catch(() => undefined);
    if (disk) this.#report = { ...this.#report, disk };
  }

  async #sync(): Promise<void> {
    const { leaseTtlMs, fenceMarginMs } = this.#times;
    const sentAt = performance.now();
    const sentAtEpoch = Date.now();
    const state = await this.#hosts.sync(this.#report, this.#identity, leaseTtlMs, this.#handlers.running());
    if (this.#closed) return;
    this.#failures = 0;
    const left = leaseTtlMs - fenceMarginMs - (performance.now() - sentAt);
    clearTimeout(this.#fenceTimer);
    this.#fenceTimer = setTimeout(() => this.#fence(), Math.max(0, left));
    await this.#handlers.extended(sentAtEpoch + leaseTtlMs - fenceMarginMs);
    this.#handlers.desired(state, sentAt);
  }

  #fence(): void {
    this.#log.error({ leaseTtlMs: this.#times.leaseTtlMs }, 'lease not renewed in time');
    this.#handlers.fence();
  }
}
