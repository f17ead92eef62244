import { JOBS } from '@kiln/contracts';
import { Queue, Worker } from 'bullmq';
import { CronExpressionParser } from 'cron-parser';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';

/** A cron expression that isn't valid, or is never due. */
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
  /** Whether no retry follows if this try fails. */
  readonly isLastTry: boolean;
}

/** How often a run that fails for a passing reason is tried, with pauses of 2, 4, 8, 16 and 32 s. */
const TRIES = 6;
const FIRST_PAUSE_MS = 2_000;

/**
 * When schedules are due, by one BullMQ job scheduler each. It keeps one job ahead, which one API process takes. A job that is overdue
 * because no process was running is taken as soon as one runs, and the next is due in the future: missed runs are made up for once.
 */
export class ScheduleClock implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #keys: Keys;
  #queue: Queue | undefined;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Checks a cron expression and its time zone. @throws InvalidCron */
  check({ cron, timezone }: Pick<Timed, 'cron' | 'timezone'>): void {
    try {
      CronExpressionParser.parse(cron, { tz: timezone }).next();
    } catch (error) {
      throw new InvalidCron((error as Error).message);
    }
  }

  /** Sets when a schedule is due; a paused one never is. */
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

  /** When a schedule is due next, ms since the epoch; undefined if never. */
  async next(id: string): Promise<number | undefined> {
    return (await this.#open().getJobScheduler(id))?.next;
  }

  /** Sets only the schedules that differ, because setting one again would lose an overdue run. */
  async follow(list: () => Promise<readonly Timed[]>): Promise<void> {
    // In this order a schedule that is created meanwhile may be set twice, but is never mistaken for a removed one.
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

/** Calls `run` for each due schedule, in one of the processes that consume them. Retried later if it throws. */
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
        // When the job was due; every job of a job scheduler has this time.
        dueAt: prevMillis ?? job.timestamp + job.delay,
        isLastTry: job.attemptsMade + 1 >= attempts,
      });
    },
    { connection: redis, prefix: keys.queues(), concurrency: 4, lockDuration: lockDurationMs },
  );
  worker.on('error', onError);
  // Another process repeats a running job, and finds the build that it submitted.
  return { [Symbol.asyncDispose]: () => worker.close(true) };
}
