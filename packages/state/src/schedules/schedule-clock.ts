import { JOBS } from '@kiln/contracts';
import { Queue, Worker } from 'bullmq';
import { CronExpressionParser } from 'cron-parser';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';

/** A cron expression that none is, or that never comes. */
export class InvalidCron extends Error {
  readonly code = 'invalid_cron';
}

export interface Timed {
  readonly id: string;
  readonly cron: string;
  readonly timezone: string;
  readonly paused: boolean;
}

/** One time at which a schedule is due. */
export interface DueSchedule {
  readonly id: string;
  /** ms since the epoch. */
  readonly dueAt: number;
  /** Whether it is tried again when this one fails. */
  readonly isLastTry: boolean;
}

/** A run that can't be submitted for a passing reason is tried so often, with pauses of 2, 4, 8, 16, 32 s. */
const TRIES = 6;
const FIRST_PAUSE_MS = 2_000;

/**
 * When schedules are due: a BullMQ job scheduler each. It keeps one job ahead, which is taken by one API process; one that is overdue
 * because no process ran is taken when one does, and the next is then in the future: a run that was missed is made up for once.
 */
export class ScheduleClock implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #keys: Keys;
  #queue: Queue | undefined;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** @throws InvalidCron */
  check({ cron, timezone }: Pick<Timed, 'cron' | 'timezone'>): void {
    try {
      CronExpressionParser.parse(cron, { tz: timezone }).next();
    } catch (error) {
      throw new InvalidCron((error as Error).message);
    }
  }

  /** Sets when a schedule is due from now on, or that it isn't. */
  async set({ id, cron, timezone, paused }: Timed): Promise<void> {
    if (paused) return this.remove(id);
    const { name, template } = JOBS.runSchedule;
    await this.#open().upsertJobScheduler(
      id,
      { pattern: cron, tz: timezone },
      {
        name,
        data: template(id),
        opts: {
          attempts: TRIES,
          backoff: { type: 'exponential', delay: FIRST_PAUSE_MS },
          removeOnComplete: true,
          removeOnFail: true,
        },
      },
    );
  }

  async remove(id: string): Promise<void> {
    await this.#open().removeJobScheduler(id);
  }

  /** ms since the epoch; undefined where it isn't due at any time. */
  async next(id: string): Promise<number | undefined> {
    return (await this.#open().getJobScheduler(id))?.next;
  }

  /** Sets what differs, and nothing else: to set one anew forgets a run that is overdue. */
  async follow(list: () => Promise<readonly Timed[]>): Promise<void> {
    // In this order: what is created in between is set twice, and never taken for one that was removed.
    const held = new Map((await this.#open().getJobSchedulers()).map((one) => [one.key, one]));
    for (const schedule of await list()) {
      const { pattern, tz } = held.get(schedule.id) ?? {};
      const isRight = schedule.paused ? pattern === undefined : pattern === schedule.cron && tz === schedule.timezone;
      if (!isRight) await this.set(schedule);
      held.delete(schedule.id);
    }
    for (const id of held.keys()) await this.remove(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue?.close();
  }

  #open(): Queue {
    if (!this.#queue) {
      const { queue } = JOBS.runSchedule;
      this.#queue = new Queue(queue, { connection: this.#redis, prefix: this.#keys.queues() });
      this.#queue.on('error', () => {});
    }
    return this.#queue;
  }
}

/** Calls `run` for each schedule that is due, in one of the processes that do. What it throws is tried again a little later. */
export function consumeSchedules(
  redis: Redis,
  keys: Keys,
  onError: (error: Error) => void,
  run: (due: DueSchedule) => Promise<void>,
): AsyncDisposable {
  const { queue, schema, lockDurationMs } = JOBS.runSchedule;
  const worker = new Worker(
    queue,
    async (job) => {
      const { schedule } = schema.parse(job.data);
      const { prevMillis, attempts = 1 } = job.opts;
      await run({
        id: schedule,
        // When this job was due; one that carries no such time would be none of a job scheduler.
        dueAt: prevMillis ?? job.timestamp + job.delay,
        isLastTry: job.attemptsMade + 1 >= attempts,
      });
    },
    { connection: redis, prefix: keys.queues(), concurrency: 4, lockDuration: lockDurationMs },
  );
  worker.on('error', onError);
  // What runs is taken up by another process, which finds the build that it made.
  return { [Symbol.asyncDispose]: () => worker.close(true) };
}
