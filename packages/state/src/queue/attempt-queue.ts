import { type AttemptCall, calledAttempt, JOBS, runAttemptJob } from '@kiln/contracts';
import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';

/** Queues of assignments: one BullMQ queue per host, as BullMQ recommends for worker affinity. */
export class AttemptQueues implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #queues = new Map<string, Queue>();

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Adds the job of an assignment to its host's queue. Repeating it is harmless, because the job's id is that of the attempt. */
  async enqueue(host: string, call: AttemptCall): Promise<void> {
    const { name, jobId } = JOBS.runAttempt;
    const { buildId, attempt } = call;
    await this.#queue(host).add(
      name,
      { buildId, attempt },
      {
        jobId: jobId(call),
        attempts: 1,
        removeOnComplete: true,
        removeOnFail: true,
      },
    );
  }

  /** Removes the queue of a host that was removed. */
  async obliterate(host: string): Promise<void> {
    await this.#queue(host).obliterate({ force: true });
    await this.#queue(host).close();
    this.#queues.delete(host);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }

  #queue(host: string): Queue {
    const known = this.#queues.get(host);
    if (known) return known;
    const queue = new Queue(JOBS.runAttempt.queue(host), { connection: this.#redis, prefix: this.#keys.queues() });
    queue.on('error', () => {});
    this.#queues.set(host, queue);
    return queue;
  }
}

export interface AttemptConsumer extends AsyncDisposable {
  /** Stops taking jobs; resolves when the running ones have ended. */
  drain(): Promise<void>;
}

/**
 * Takes the jobs of a host and calls `run` for each. The build's record decides what happens; BullMQ only delivers, so a job that fails,
 * stalls or is repeated changes nothing by itself.
 */
export function consumeAttempts(
  redis: Redis,
  keys: Keys,
  host: string,
  options: { concurrency: number; onError: (error: Error) => void },
  run: (call: AttemptCall) => Promise<void>,
): AttemptConsumer {
  const { queue, lockDurationMs, retryAfterMs } = JOBS.runAttempt;
  const worker = new Worker(queue(host), (job) => run(calledAttempt(runAttemptJob.parse(job.data), job.id)), {
    connection: redis,
    prefix: keys.queues(),
    concurrency: options.concurrency,
    lockDuration: lockDurationMs,
    runRetryDelay: retryAfterMs,
    maxStalledCount: 1,
  });
  worker.on('error', options.onError);
  worker.on('failed', (_job, error) => options.onError(error));
  return {
    drain: () => worker.close(),
    [Symbol.asyncDispose]: () => worker.close(true),
  };
}
