import { BUILD_STATES, FAILURE_CODES } from '@kiln/domain';
import { z } from 'zod';

/** ms since the epoch, by BuildKit's clock if the record comes from BuildKit. */
const at = z.number();
/** Steps are numbered from 1 in the order in which BuildKit first reports them, as in `docker buildx build --progress=plain`. */
const step = z.int().min(1);

export const stepRecord = z.strictObject({
  t: at,
  type: z.literal('step'),
  step,
  name: z.string(),
  state: z.enum(['pending', 'started', 'completed', 'cached', 'failed', 'canceled']),
  /** Duration of a step that has ended, ms. */
  ms: z.number().optional(),
  error: z.string().optional(),
});

/** Output of a RUN. `data` keeps line ends and ANSI colours. A chunk may end within a line, but never within a character. */
export const outputRecord = z.strictObject({
  t: at,
  type: z.literal('output'),
  step,
  stream: z.enum(['stdout', 'stderr']),
  data: z.string(),
});

/** Progress of a transfer in a step, usually in bytes. `total` is 0 if BuildKit doesn't report it. */
export const statusRecord = z.strictObject({
  t: at,
  type: z.literal('status'),
  step,
  /** What is transferred, as BuildKit names it: a layer's digest, `pushing layers`. */
  name: z.string(),
  current: z.number(),
  total: z.number(),
  done: z.boolean(),
});

export const warningRecord = z.strictObject({
  t: at,
  type: z.literal('warning'),
  step: step.optional(),
  message: z.string(),
  detail: z.string().optional(),
});

/** A line of Kiln's own, for example about the host, the commit or a retry. */
export const noteRecord = z.strictObject({
  t: at,
  type: z.literal('note'),
  message: z.string(),
});

/** Last record of an attempt. With `state: queued` another attempt follows. Older versions wrote neither host, time nor steps. */
export const endRecord = z.strictObject({
  t: at,
  type: z.literal('end'),
  state: z.enum(BUILD_STATES),
  /** The host that ran it. Absent if it never ran. */
  host: z.string().optional(),
  /** From the start of the attempt to its end, ms. */
  ms: z.number().optional(),
  steps: z.object({ total: z.int(), cached: z.int() }).optional(),
  failure: z
    .object({
      code: z.enum(FAILURE_CODES),
      message: z.string(),
      step: z.string().optional(),
      exitCode: z.int().optional(),
      excerpt: z.string().optional(),
    })
    .optional(),
});

/** One record of a build's log. */
export const logRecord = z.discriminatedUnion('type', [
  stepRecord,
  outputRecord,
  statusRecord,
  warningRecord,
  noteRecord,
  endRecord,
]);
export type LogRecord = z.output<typeof logRecord>;
export type StepRecord = z.output<typeof stepRecord>;
export type OutputRecord = z.output<typeof outputRecord>;
export type EndRecord = z.output<typeof endRecord>;

/** A record as clients get it, with the id to resume from. */
export type IdentifiedLogRecord = LogRecord & { readonly id: string };
