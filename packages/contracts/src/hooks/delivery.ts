import { z } from 'zod';
import { buildId, instant } from '../http/fields.ts';
import { connectionName, forgeName } from './connection.ts';

/** Id of a delivery: a ULID, like ids of builds, ordered by time. */
export const deliveryId = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/, 'a delivery id of 26 characters');

/** Why a delivery failed. Faults that may pass have already been retried. */
export const DELIVERY_FAILURES = [
  'payload_invalid',
  'config_invalid',
  'repository_unreachable',
  'commit_missing',
  'connection_removed',
  'internal',
] as const;

const problem = z.strictObject({ code: z.enum(DELIVERY_FAILURES), message: z.string() });
export type DeliveryFailure = z.output<typeof problem>;

const imageOutcome = z
  .strictObject({
    image: z.string(),
    outcome: z.enum(['built', 'skipped', 'refused']).meta({
      description: '`built`: a build was accepted; `skipped`: a filter excluded it; `refused`: it can’t be built.',
    }),
    build: buildId.optional(),
    why: z.string().optional().meta({ description: 'Why it wasn’t built.' }),
    filter: z.string().optional().meta({ description: 'The filter that excluded it.' }),
    notes: z.array(z.string()).default([]),
  })
  .meta({ id: 'DeliveryImage' });

const eventOutcome = z
  .strictObject({
    event: z.string().meta({ description: 'What happened, in one line.' }),
    repository: z.string().optional(),
    commit: z.string().optional(),
    none: z.string().optional().meta({ description: 'Why no image was considered.' }),
    images: z.array(imageOutcome).default([]),
    canceled: z.array(buildId).default([]).meta({ description: 'Builds that it canceled.' }),
  })
  .meta({ id: 'DeliveryEvent' });
export type EventOutcome = z.output<typeof eventOutcome>;

const reportView = z
  .strictObject({
    context: z.string(),
    commit: z.string(),
    build: buildId
      .optional()
      .meta({ description: 'The newest build for this status, which is the one that is reported.' }),
    reported: z.string().optional().meta({ description: 'The last status that the forge accepted.' }),
    why: z.string().optional().meta({ description: 'Why the last report failed.' }),
    gaveUp: z.boolean().default(false),
  })
  .meta({ id: 'DeliveryReport' });

export const deliveryView = z
  .strictObject({
    id: deliveryId,
    connection: connectionName,
    forge: forgeName,
    team: z.string(),
    forgeId: z.string().meta({ description: 'The forge’s own id of the delivery, the same when it is redelivered.' }),
    state: z.enum(['pending', 'done', 'failed']),
    receivedAt: instant,
    finishedAt: instant.optional(),
    tries: z.int(),
    retryAt: instant.optional().meta({ description: 'When it is tried again, after a temporary failure.' }),
    failure: problem.optional().meta({ description: 'While it is pending: the last failure.' }),
    builds: z.array(buildId).meta({ description: 'The builds that it triggered.' }),
    reasons: z.array(z.string()).meta({ description: 'Why it triggered no others.' }),
    events: z.array(eventOutcome),
    reports: z.array(reportView).optional().meta({ description: 'Statuses of its builds; not in lists.' }),
  })
  .meta({ id: 'Delivery' });
export type DeliveryView = z.output<typeof deliveryView>;

export const deliveryPage = z
  .strictObject({
    deliveries: z.array(deliveryView),
    next: z.string().optional().meta({ description: 'Cursor of the next page; absent on the last one.' }),
  })
  .meta({ id: 'DeliveryPage' });

/** Query of `GET /v1/hooks/deliveries`. */
export const deliveryQuery = z.strictObject({
  connection: connectionName.optional(),
  state: z.enum(['pending', 'done', 'failed']).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: deliveryId.optional(),
});
