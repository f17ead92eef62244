import { z } from 'zod';
import { hostName, labelName, labelValue, MAX_LABELS } from './host-report.ts';

/** Longest deadline of a drain, s. */
const MAX_DEADLINE_SECONDS = 7 * 24 * 3_600;

/** Body of `POST /v1/hosts/:name/drain`; may be left out. */
export const drainOrder = z
  .strictObject({
    deadlineSeconds: z.int().min(0).max(MAX_DEADLINE_SECONDS).optional().meta({
      description:
        'What still runs after so long is handed back to the pool, and runs again on another host. Without it the drain waits.',
    }),
  })
  .meta({ id: 'DrainOrder' });
export type DrainOrder = z.input<typeof drainOrder>;

/** Body of `PATCH /v1/hosts/:name`: settings that go before what the worker reports, until they are taken back. */
export const hostChange = z
  .strictObject({
    slots: z
      .int()
      .min(1)
      .max(1024)
      .nullable()
      .optional()
      .meta({ description: 'Slots of the host; null: as many as its worker reports. Lowering it stops nothing.' }),
    labels: z
      .record(labelName, labelValue.nullable())
      .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS} labels`)
      .optional()
      .meta({ description: 'Labels to set, by name; null takes one away, also one that the worker reports.' }),
    reset: z.boolean().optional().meta({
      description: 'Drop all earlier settings of slots and labels first: the worker’s own count again.',
    }),
  })
  .meta({ id: 'HostChange' });
export type HostChange = z.input<typeof hostChange>;

/** Query of `DELETE /v1/hosts/:name`. */
export const removeQuery = z.strictObject({
  force: z.stringbool().default(false).meta({
    description: 'Where the host still holds builds: hand them back to the pool first. The answer is then 202.',
  }),
});

/** Body of `POST /v1/workers/join`. */
export const joinRequest = z.strictObject({ name: hostName }).meta({ id: 'JoinRequest' });

/** What a worker needs to be one. */
export const joinGrant = z
  .strictObject({
    redisUrl: z.string(),
    namespace: z.string(),
    minReplicas: z
      .int()
      .min(0)
      .optional()
      .meta({ description: 'Replicas of Redis that must have what the worker acknowledges. Default 0.' }),
    secretKey: z.string().meta({
      description: 'Opens secrets: 32 bytes in base64; several with commas between, of which the first seals.',
    }),
  })
  .meta({ id: 'JoinGrant' });
export type JoinGrant = z.output<typeof joinGrant>;
