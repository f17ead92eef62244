import { z } from 'zod';
import { buildId, instant } from '../http/fields.ts';
import { connectionName, forgeName } from './connection.ts';

/** Ids of deliveries: as builds' ids, ordered by time. */
export const deliveryId = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/, 'a delivery id of 26 characters');

/** Why a delivery came to nothing. `retry` has been tried already where the fault may pass. */
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
      description: '`built`: a build was accepted; `skipped`: a filter said no; `refused`: it can’t be built.',
    }),
    build: buildId.optional(),
    why: z.string().optional().meta({ description: 'Why it wasn’t built.' }),
    filter: z.string().optional().meta({ description: 'The filter that said no.' }),
    notes: z.array(z.string()).default([]),
  })
  .meta({ id: 'DeliveryImage' });

const eventOutcome = z
  .strictObject({
    event: z.string().meta({ description: 'What happened, in one line.' }),
    repository: z.string().optional(),
    commit: z.string().optional(),
    none: z.string().optional().meta({ description: 'Why no image was even looked at.' }),
    images: z.array(imageOutcome).default([]),
    canceled: z.array(buildId).default([]).meta({ description: 'Builds that it canceled.' }),
  })
  .meta({ id: 'DeliveryEvent' });
export type EventOutcome = z.output<typeof eventOutcome>;

const reportView = z
  .strictObject({
    context: z.string(),
    commit: z.string(),
    build: buildId.optional().meta({ description: 'The newest build of it: that one is reported.' }),
    reported: z.string().optional().meta({ description: 'What the forge has taken last.' }),
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
    forgeId: z.string().meta({ description: 'The forge’s own id of the delivery, the same in its repeats.' }),
    state: z.enum(['pending', 'done', 'failed']),
    receivedAt: instant,
    finishedAt: instant.optional(),
    tries: z.int(),
    retryAt: instant.optional().meta({ description: 'When it is tried again, after a fault that may pass.' }),
    failure: problem.optional().meta({ description: 'While it is pending: what went wrong last.' }),
    builds: z.array(buildId).meta({ description: 'The builds that it made.' }),
    reasons: z.array(z.string()).meta({ description: 'Why it made no others.' }),
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
