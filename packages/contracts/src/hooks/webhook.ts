import { z } from 'zod';
import { instant, teamName } from '../http/fields.ts';
import { overlapSeconds, PREVIOUS_SECRET_HELP } from './secret-overlap.ts';

/** Id of a webhook: a ULID, like ids of builds, ordered by time. */
const ulid = (what: string) => z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/, `the id of a ${what}, of 26 characters`);
export const webhookId = ulid('webhook');
/** `msg_` and a digest of the message's content, so that a receiver gets the same id when it is resent. */
export const messageId = z.string().regex(/^msg_[A-Za-z0-9_-]{27}$/, 'the id of a message, such as msg_…');

/** The events that outgoing webhooks can report. */
export const WEBHOOK_EVENTS = [
  'build.queued',
  'build.started',
  'build.succeeded',
  'build.failed',
  'build.canceled',
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

const FINISHED: readonly WebhookEvent[] = ['build.succeeded', 'build.failed', 'build.canceled'];

const target = z
  .string()
  .max(2048)
  .refine((text) => {
    const url = URL.parse(text);
    return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  }, 'an https:// or http:// URL without user and password');

const messageSecret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/, 'whsec_ and 24 to 64 bytes in base64')
  .optional()
  .meta({ description: 'Signs the messages. Default: a new one, shown only in this response.' });

/** Body of `POST /v1/webhooks`. */
export const webhookRequest = z
  .strictObject({
    url: target.meta({ description: 'URL to which messages are sent.' }),
    team: teamName
      .optional()
      .meta({ description: 'The team whose builds it reports. Default: the credential’s own team.' }),
    events: z
      .array(z.enum(WEBHOOK_EVENTS))
      .min(1)
      .default([...FINISHED]),
    secret: messageSecret,
  })
  .meta({ id: 'WebhookRequest' });
export type WebhookRequest = z.input<typeof webhookRequest>;

/** Body of `POST /v1/webhooks/:id/rotate-secret`. */
export const webhookSecretRotation = z
  .strictObject({ secret: messageSecret, overlapSeconds })
  .meta({ id: 'WebhookSecretRotation' });
export type WebhookSecretRotation = z.input<typeof webhookSecretRotation>;

export const webhookView = z
  .strictObject({
    id: webhookId,
    team: z.string(),
    url: z.string(),
    events: z.array(z.enum(WEBHOOK_EVENTS)),
    createdAt: instant,
    createdBy: z.string(),
    disabledAt: instant
      .optional()
      .meta({ description: 'When its target answered 410 (gone). Nothing is sent since then.' }),
    previousSecretExpiresAt: instant.optional().meta({ description: PREVIOUS_SECRET_HELP }),
    secret: z
      .string()
      .optional()
      .meta({ description: 'Only in the response that created the webhook or rotated its secret.' }),
  })
  .meta({ id: 'Webhook' });
export type WebhookView = z.output<typeof webhookView>;

export const webhookList = z.strictObject({ webhooks: z.array(webhookView) }).meta({ id: 'WebhookList' });

export const messageView = z
  .strictObject({
    id: messageId,
    webhook: webhookId,
    event: z.enum(WEBHOOK_EVENTS),
    build: z.string(),
    state: z.enum(['pending', 'delivered', 'dead']).meta({
      description: '`dead`: every try has failed; it can be resent by hand.',
    }),
    createdAt: instant,
    tries: z.int(),
    triedAt: instant.optional(),
    retryAt: instant.optional(),
    status: z.int().optional().meta({ description: 'The target’s last HTTP status.' }),
    why: z.string().optional().meta({ description: 'Why the last try failed.' }),
  })
  .meta({ id: 'WebhookMessage' });
export type MessageView = z.output<typeof messageView>;

export const messagePage = z.strictObject({ messages: z.array(messageView) }).meta({ id: 'WebhookMessages' });

/** Query of `GET /v1/webhooks/:id/messages`. */
export const messageQuery = z.strictObject({
  state: z.enum(['pending', 'delivered', 'dead']).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
