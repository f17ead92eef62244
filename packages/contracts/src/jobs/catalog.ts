import { z } from 'zod';

/**
 * The job that carries an assignment to its host. What to build is read from the record: the record is the truth, the job only a call. So what
 * another version puts in it beside that is passed over.
 */
export const runAttemptJob = z.object({ buildId: z.string(), attempt: z.int().min(1) });
export type RunAttemptJob = z.output<typeof runAttemptJob>;

/** An attempt with what tells it from another of the same number, where it has that. */
export interface AttemptCall extends RunAttemptJob {
  readonly nonce?: string;
}

/** The nonce is a part of the id and not of the data, which workers of older versions take as strictly as this one does. */
function attemptJobId({ buildId, attempt, nonce }: AttemptCall): string {
  return nonce === undefined ? `${buildId}-${attempt}` : `${buildId}-${attempt}-${nonce}`;
}

/** The attempt that a job calls for. */
export function calledAttempt(job: RunAttemptJob, jobId: string | undefined): AttemptCall {
  const before = `${attemptJobId(job)}-`;
  return jobId?.startsWith(before) ? { ...job, nonce: jobId.slice(before.length) } : job;
}

/** The job that says that a schedule is due. When it was due, BullMQ knows. */
const runScheduleJob = z.strictObject({ schedule: z.string() });

/** A forge's webhook that is to be worked on; what it said lies in its record. */
export const planDeliveryJob = z.strictObject({ deliveryId: z.string() });
export type PlanDeliveryJob = z.output<typeof planDeliveryJob>;

/** A status that may have to be reported; which one is decided when it is sent, by the build as it is then. */
export const reportStatusJob = z.strictObject({ target: z.string() });
export type ReportStatusJob = z.output<typeof reportStatusJob>;

/** A message of an outgoing webhook. */
export const sendMessageJob = z.strictObject({ messageId: z.string() });
export type SendMessageJob = z.output<typeof sendMessageJob>;

/** Every job that Kiln enqueues. Of an attempt BullMQ retries nothing: another one is the scheduler's decision. */
export const JOBS = {
  runAttempt: {
    name: 'run-attempt',
    schema: runAttemptJob,
    queue: (host: string) => `host-${host}`,
    jobId: attemptJobId,
    lockDurationMs: 30_000,
    /** After BullMQ's own calls failed; its default of 15 s is longer than most builds. */
    retryAfterMs: 1_000,
  },
  runSchedule: {
    name: 'run-schedule',
    schema: runScheduleJob,
    queue: 'schedules',
    template: (schedule: string): z.output<typeof runScheduleJob> => ({ schedule }),
    lockDurationMs: 30_000,
  },
  planDelivery: {
    name: 'plan-delivery',
    schema: planDeliveryJob,
    queue: 'hooks-in',
    tries: 12,
    lockDurationMs: 120_000,
  },
  reportStatus: { name: 'report-status', schema: reportStatusJob, queue: 'reports', tries: 24, lockDurationMs: 60_000 },
  sendMessage: { name: 'send-message', schema: sendMessageJob, queue: 'hooks-out', tries: 10, lockDurationMs: 60_000 },
} as const;
