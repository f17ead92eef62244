import { type AttemptTrace, TERMINAL_STATES } from '@kiln/domain';
import { z } from 'zod';

const bytes = z.int().min(0);
/** ms since the epoch. */
const instant = z.number().min(0);
const text = (max: number) => z.string().max(max);

/** Limits of a stored trace. A worker cuts what exceeds them. */
export const TRACE_LIMITS = {
  steps: 3_000,
  instructions: 3_000,
  /** Characters of a step's name or error, and of an instruction. */
  textChars: 1_000,
  /** Build arguments, and secrets. */
  names: 1_000,
  /** Entries of a commit's tree. */
  entries: 4_000,
  mounts: 500,
  /** URLs that one ADD fetches. */
  urls: 100,
  /** Lines of an ignore file. */
  ignores: 500,
  /** Bytes of the stored blob, which is compressed. */
  blobBytes: 512 * 1024,
  /** Bytes of its JSON. */
  jsonBytes: 8 * 1024 * 1024,
} as const;

const { steps, instructions, textChars, entries, mounts } = TRACE_LIMITS;
const digests = z.record(text(1_000), text(200));

/** What an attempt used and did, as its worker stores it. Unknown fields are of a newer version, and ignored. */
export const attemptTrace = z.object({
  version: z.literal(1),
  build: text(100),
  attempt: z.int().min(1),
  host: text(300),
  domain: text(1_000).optional(),
  repo: text(4_000),
  end: z.enum(TERMINAL_STATES),
  startedAt: instant,
  endedAt: instant,
  keyId: text(100),
  noCache: z.boolean(),
  cacheMode: text(100).optional(),
  cacheScope: text(100),
  target: text(1_000).optional(),
  platforms: z.array(text(200)).max(100),
  args: digests,
  secrets: digests,
  context: z
    .discriminatedUnion('type', [
      z.object({ type: z.literal('tree'), id: text(200) }),
      z.object({
        type: z.literal('git'),
        commit: text(100),
        subdir: text(4_096).optional(),
        entries: z
          .array(z.tuple([text(5_000), text(100)]))
          .max(entries)
          .optional(),
      }),
    ])
    .optional(),
  ignores: z.array(text(textChars)).max(TRACE_LIMITS.ignores).optional(),
  stages: z
    .array(
      z.object({
        name: text(1_000).optional(),
        from: text(1_000).optional(),
        instructions: z
          .array(
            z.object({
              op: text(100),
              text: text(textChars),
              key: text(200),
              args: z.array(text(1_000)).max(1_000).optional(),
            }),
          )
          .max(instructions),
      }),
    )
    .max(instructions)
    .optional(),
  steps: z
    .array(
      z.object({
        name: text(textChars),
        key: text(200),
        digest: text(200),
        inputs: z.array(z.int().min(0)).max(steps),
        cached: z.boolean(),
        startedAt: instant.optional(),
        completedAt: instant.optional(),
        error: text(textChars).optional(),
        contents: z.array(text(200)).max(TRACE_LIMITS.urls).optional(),
      }),
    )
    .max(steps),
  stepsLeftOut: z.int().min(1).optional(),
  mounts: z
    .array(z.object({ id: text(4_000), beforeBytes: bytes.optional(), afterBytes: bytes.optional() }))
    .max(mounts)
    .optional(),
  sizesAreFloors: z.boolean().optional(),
  layers: z.object({ lost: z.int().min(0), of: z.int().min(0), since: instant }).optional(),
}) satisfies z.ZodType<AttemptTrace>;
