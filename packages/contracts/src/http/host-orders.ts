import { z } from 'zod';
import { labelName, labelValue, MAX_LABELS } from './host-labels.ts';
import { hostName } from './host-report.ts';

/** Longest deadline of a drain, s. */
const MAX_DEADLINE_SECONDS = 7 * 24 * 3_600;

/** Body of `POST /v1/hosts/:name/drain`; optional. */
export const drainOrder = z
  .strictObject({
    deadlineSeconds: z.int().min(0).max(MAX_DEADLINE_SECONDS).optional().meta({
      description:
        'Builds that still run after this time are handed back to the pool and run again on another host. Default: the drain waits for them.',
    }),
  })
  .meta({ id: 'DrainOrder' });
export type DrainOrder = z.input<typeof drainOrder>;

/** Body of `PATCH /v1/hosts/:name`: settings that override what the worker reports, until they are reset. */
export const hostChange = z
  .strictObject({
    slots: z.int().min(1).max(1024).nullable().optional().meta({
      description: 'Slots of the host; null: as many as its worker reports. Reducing them stops no running build.',
    }),
    labels: z
      .record(labelName, labelValue.nullable())
      .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS} labels`)
      .optional()
      .meta({ description: 'Labels to set, by name; null removes one, also one that the worker reports.' }),
    reset: z.boolean().optional().meta({
      description: 'First drop all earlier settings of slots and labels, so that the worker’s own apply again.',
    }),
  })
  .meta({ id: 'HostChange' });
export type HostChange = z.input<typeof hostChange>;

/** Query of `DELETE /v1/hosts/:name`. */
export const removeQuery = z.strictObject({
  force: z.stringbool().default(false).meta({
    description: 'If the host still has builds, hand them back to the pool first. The response is then 202.',
  }),
});

/** Body of `POST /v1/workers/join`. */
export const joinRequest = z.strictObject({ name: hostName }).meta({ id: 'JoinRequest' });

/** What a worker needs to connect to the pool. */
export const joinGrant = z
  .strictObject({
    redisUrl: z.string(),
    namespace: z.string(),
    minReplicas: z.int().min(0).optional().meta({
      description: 'How many replicas of Redis must have a write before the worker acknowledges it. Default: 0.',
    }),
    secretKey: z.string().meta({
      description:
        'Keys of secrets, 32 bytes in base64 each, separated by commas. All of them open secrets, the first one also seals.',
    }),
  })
  .meta({ id: 'JoinGrant' });
export type JoinGrant = z.output<typeof joinGrant>;
