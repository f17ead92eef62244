import { availableParallelism, loadavg } from 'node:os';
import type { AttemptCall, HostDisk, HostReport } from '@kiln/contracts';
import { type Metrics, NO_METRICS, observeMs } from '@kiln/metrics';
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
  /** How long before the end of the lease everything is killed, ms. Has to cover the duration of the kill. */
  readonly fenceMarginMs: number;
}

export const DEFAULT_LEASE: LeaseTimes = { leaseTtlMs: 15_000, syncEveryMs: 3_000, fenceMarginMs: 4_000 };

export interface HostSessionHandlers {
  /** Called with the answer to a report that was sent at `sentAt` (performance.now()). */
  desired(state: DesiredState, sentAt: number): void;
  /** Called when the lease couldn't be renewed in time: everything has to be killed now. */
  fence(): void;
  /** Called when the lease was renewed. @param untilMs its end less the margin, ms since the epoch */
  extended(untilMs: number): Promise<void>;
  /** Called when this worker can't continue: another one has its name, or its host was removed. */
  fatal(error: HostNameTaken | WorkerReplaced | HostRemoved): void;
  /** Returns the attempts that run here now. */
  running(): readonly AttemptCall[];
  /** Measures the data directory's disk; undefined if that isn't possible. */
  disk?(): Promise<HostDisk | undefined>;
}

/** Delay before a failed report is repeated, ms. Doubled with each failure, up to the usual interval. */
const RETRY_MS = 100;

/**
 * A worker's membership in the pool. Reports, which renews the lease, and calls `fence` if it can't renew it before another host may
 * take over. The end of the lease is counted from before the report was sent, so that this side never takes it to be later than Redis does.
 */
export class HostSession {
  readonly #hosts: HostStore;
  #identity: WorkerIdentity;
  readonly #times: LeaseTimes;
  readonly #handlers: HostSessionHandlers;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  #report: HostReport;
  #timer: NodeJS.Timeout | undefined;
  #fenceTimer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  #again = false;
  /** How many reports have failed since the last successful one. */
  #failures = 0;
  #closed = false;

  constructor(
    hosts: HostStore,
    report: HostReport,
    identity: WorkerIdentity,
    times: LeaseTimes,
    handlers: HostSessionHandlers,
    log: Logger,
    metrics: Metrics = NO_METRICS,
  ) {
    this.#hosts = hosts;
    this.#report = report;
    this.#identity = identity;
    this.#times = times;
    this.#handlers = handlers;
    this.#log = log;
    this.#metrics = metrics;
  }

  /** Joins the pool. @throws HostNameTaken @throws WorkerReplaced @throws HostRemoved */
  async join(): Promise<void> {
    this.#identity = { ...this.#identity, epoch: this.#identity.epoch ?? (await this.#hosts.nextEpoch()) };
    await this.#measure();
    await this.#sync();
    this.#schedule();
  }

  /** Reports now, or right after the report in flight. */
  poke(): void {
    if (this.#closed) return;
    if (this.#syncing) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#run();
  }

  /** Changes the report and sends it; resolves when the pool has accepted it. */
  async change(change: Partial<HostReport>): Promise<void> {
    this.#report = { ...this.#report, ...change };
    await this.#syncing;
    await this.#sync();
  }

  /** Leaves the pool. @param drained whether it leaves because an operator drained the host */
  async leave(drained: boolean): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#fenceTimer);
    await this.#syncing;
    await this.#hosts.leave(this.#report.name, this.#identity.incarnation, drained);
  }

  /** Stops reporting without leaving the pool, as a killed process would. */
  abandon(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#fenceTimer);
  }

  #schedule(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const { syncEveryMs } = this.#times;
    // A failed report is repeated much sooner, because the lease keeps running out.
    const afterMs = this.#failures === 0 ? syncEveryMs : Math.min(syncEveryMs, RETRY_MS * 2 ** (this.#failures - 1));
    this.#timer = setTimeout(() => {
      // For the next report: a slow disk must not delay this one.
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
      this.#metrics.count('kiln_worker_report_failures_total', 1);
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
    const state = await this.#hosts.sync(
      { ...this.#report, load: hostLoad() },
      this.#identity,
      leaseTtlMs,
      this.#handlers.running(),
    );
    if (this.#closed) return;
    observeMs(this.#metrics, 'kiln_worker_report_duration_seconds', performance.now() - sentAt);
    this.#failures = 0;
    const left = leaseTtlMs - fenceMarginMs - (performance.now() - sentAt);
    clearTimeout(this.#fenceTimer);
    this.#fenceTimer = setTimeout(() => this.#fence(), Math.max(0, left));
    await this.#handlers.extended(sentAtEpoch + leaseTtlMs - fenceMarginMs);
    this.#handlers.desired(state, sentAt);
  }

  #fence(): void {
    this.#metrics.count('kiln_worker_fences_total', 1);
    this.#log.error({ leaseTtlMs: this.#times.leaseTtlMs }, 'lease not renewed in time');
    this.#handlers.fence();
  }
}

/** Measures how busy this machine's processors are. */
function hostLoad(): NonNullable<HostReport['load']> {
  return { average: Math.round((loadavg()[0] ?? 0) * 100) / 100, cpus: availableParallelism() };
}
