import { z } from 'zod';

/**
 * The job that delivers an assignment to its host. What to build is read from the record, which is authoritative. So other fields, which another
 * version may add, are ignored.
 */
export const runAttemptJob = z.object({ buildId: z.string(), attempt: z.int().min(1) });
export type RunAttemptJob = z.output<typeof runAttemptJob>;

/** An attempt with the nonce, if any, that distinguishes it from another one of the same number. */
export interface AttemptCall extends RunAttemptJob {
  readonly nonce?: string;
}

/** Returns the id of a job. The nonce is part of the id and not of the data, because older workers refuse unknown fields. */
function attemptJobId({ buildId, attempt, nonce }: AttemptCall): string {
  return nonce === undefined ? `${buildId}-${attempt}` : `${buildId}-${attempt}-${nonce}`;
}

/** Returns the attempt that a job calls for. */
export function calledAttempt(job: RunAttemptJob, jobId: string | undefined): AttemptCall {
  const before = `${attemptJobId(job)}-`;
  return jobId?.startsWith(before) ? { ...job, nonce: jobId.slice(before.length) } : job;
}

/** The job of a schedule that is due. BullMQ knows when it was due. */
const runScheduleJob = z.strictObject({ schedule: z.string() });

/** The job to process a forge's webhook, whose payload is in its record. */
export const planDeliveryJob = z.strictObject({ deliveryId: z.string() });
export type PlanDeliveryJob = z.output<typeof planDeliveryJob>;

/** The job to report a status. Which one is decided when it is sent, by the state of the build at that time. */
export const reportStatusJob = z.strictObject({ target: z.string() });
export type ReportStatusJob = z.output<typeof reportStatusJob>;

/** The job to send a message of an outgoing webhook. */
export const sendMessageJob = z.strictObject({ messageId: z.string() });
export type SendMessageJob = z.output<typeof sendMessageJob>;

/** Every job that Kiln enqueues. BullMQ doesn't retry attempts: another one is the scheduler's decision. */
export const JOBS = {
  runAttempt: {
    name: 'run-attempt',
    schema: runAttemptJob,
    queue: (host: string) => `host-${host}`,
    jobId: attemptJobId,
    lockDurationMs: 30_000,
    /** Delay after a failure of BullMQ's own calls. Its default of 15 s is longer than most builds. */
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
