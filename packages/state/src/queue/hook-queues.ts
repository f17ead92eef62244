import { JOBS, type PlanDeliveryJob, type ReportStatusJob, type SendMessageJob } from '@kiln/contracts';
import { type JobsOptions, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { z } from 'zod';
import type { Keys } from '../redis/keys.ts';

/** Thrown by a job that should be retried, no earlier than after `afterMs`, if known. */
export class RetryLater extends Error {
  readonly afterMs: number | undefined;
  constructor(why: string, afterMs?: number) {
    super(why);
    this.afterMs = afterMs;
  }
}

/** One try of a job. */
export interface JobTry {
  readonly isLast: boolean;
  /** The wait before the next try if this one fails, ms. */
  readonly delayMs: number;
}

export interface ConsumeOptions {
  readonly concurrency: number;
  /** The wait after this many tries, ms. */
  readonly delayMs: (tries: number) => number;
  readonly onError: (error: Error) => void;
}

export interface JobConsumer extends AsyncDisposable {
  /** Stops taking jobs; resolves when the running ones have ended. */
  drain(): Promise<void>;
}

type HookJob = 'planDelivery' | 'reportStatus' | 'sendMessage';
type DataOf<J extends HookJob> = z.output<(typeof JOBS)[J]['schema']>;

/** The longest wait, even if a server asks for more. */
const MAX_DELAY_MS = 12 * 3_600_000;

/** Queues of incoming webhooks, status reports and outgoing webhooks. A job only names its record. */
export class HookQueues implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #queues = new Map<HookJob, Queue>();

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Adds the job of a delivery. Repeating it is harmless while the job exists. */
  planDelivery(id: string, round: number): Promise<void> {
    return this.#add('planDelivery', { deliveryId: id } satisfies PlanDeliveryJob, { jobId: `${id}-${round}` });
  }

  /** Like `planDelivery`, but a job that waits for its next try runs at once. */
  async planDeliveryNow(id: string, round: number): Promise<void> {
    await this.planDelivery(id, round);
    await this.#promote('planDelivery', `${id}-${round}`);
  }

  /**
   * Adds a job for a target. One job of a target runs at a time, so that its states are reported in order. A call while one runs adds
   * another one after it; a call while one waits adds none.
   */
  reportStatus(target: string): Promise<void> {
    const deduplication = { id: target, keepLastIfActive: true };
    return this.#add('reportStatus', { target } satisfies ReportStatusJob, { deduplication });
  }

  /** Adds the job of a message. Repeating it is harmless while the job exists. */
  sendMessage(id: string, round: number): Promise<void> {
    return this.#add('sendMessage', { messageId: id } satisfies SendMessageJob, { jobId: `${id}-${round}` });
  }

  /** Like `sendMessage`, but a job that waits for its next try runs at once. */
  async sendMessageNow(id: string, round: number): Promise<void> {
    await this.sendMessage(id, round);
    await this.#promote('sendMessage', `${id}-${round}`);
  }

  /**
   * Takes jobs and calls `run` for each. A job that throws is retried after `delayMs`, or later if it throws `RetryLater`, until its tries
   * are used up.
   */
  consume<J extends HookJob>(
    name: J,
    { concurrency, delayMs, onError }: ConsumeOptions,
    run: (data: DataOf<J>, attempt: JobTry) => Promise<void>,
  ): JobConsumer {
    const { queue, schema, tries, lockDurationMs } = JOBS[name];
    const worker = new Worker(
      queue,
      async (job) => {
        const made = job.attemptsMade + 1;
        await run(schema.parse(job.data) as DataOf<J>, { isLast: made >= tries, delayMs: delayMs(made) });
      },
      {
        connection: this.#redis,
        prefix: this.#keys.queues(),
        concurrency,
        lockDuration: lockDurationMs,
        maxStalledCount: tries,
        settings: {
          backoffStrategy: (made, _type, error) => {
            const asked = error instanceof RetryLater ? (error.afterMs ?? 0) : 0;
            return Math.min(MAX_DELAY_MS, Math.max(delayMs(made), asked));
          },
        },
      },
    );
    worker.on('error', onError);
    return { drain: () => worker.close(), [Symbol.asyncDispose]: () => worker.close(true) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }

  async #add(name: HookJob, data: object, options: JobsOptions): Promise<void> {
    await this.#queue(name).add(JOBS[name].name, data, {
      ...options,
      attempts: JOBS[name].tries,
      backoff: { type: 'custom' },
      removeOnComplete: true,
      removeOnFail: true,
    });
  }

  /** Ends the wait of a job for its next try. */
  async #promote(name: HookJob, jobId: string): Promise<void> {
    const job = await this.#queue(name).getJob(jobId);
    // Refused if the job has begun in the meantime, which is as good.
    if (await job?.isDelayed()) await job?.promote().catch(() => {});
  }

  #queue(name: HookJob): Queue {
    const known = this.#queues.get(name);
    if (known) return known;
    const queue = new Queue(JOBS[name].queue, { connection: this.#redis, prefix: this.#keys.queues() });
    queue.on('error', () => {});
    this.#queues.set(name, queue);
    return queue;
  }
}
