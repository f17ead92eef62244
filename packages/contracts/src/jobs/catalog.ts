import { z } from 'zod';

/** The job that carries an assignment to its host. What to build is read from the record: the record is the truth, the job only a call. */
export const runAttemptJob = z.strictObject({ buildId: z.string(), attempt: z.int().min(1) });
export type RunAttemptJob = z.output<typeof runAttemptJob>;

/** The job that says that a schedule is due. When it was due, BullMQ knows. */
const runScheduleJob = z.strictObject({ schedule: z.string() });

/** Every job that Kiln enqueues. BullMQ itself never retries: another attempt is the scheduler's decision. */
export const JOBS = {
  runAttempt: {
    name: 'run-attempt',
    schema: runAttemptJob,
    queue: (host: string) => `host-${host}`,
    jobId: ({ buildId, attempt }: RunAttemptJob) => `${buildId}-${attempt}`,
    lockDurationMs: 30_000,
  },
  runSchedule: {
    name: 'run-schedule',
    schema: runScheduleJob,
    queue: 'schedules',
    template: (schedule: string): z.output<typeof runScheduleJob> => ({ schedule }),
    lockDurationMs: 30_000,
  },
} as const;
