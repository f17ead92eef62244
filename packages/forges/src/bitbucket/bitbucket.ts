import type { Forge } from '../forge.ts';
import { checkHexSignature } from '../webhook/authentic.ts';
import { header, idFrom } from '../webhook/headers.ts';
import { readPayload } from '../webhook/payload.ts';
import { has } from '../webhook/shape.ts';
import { bitbucketEvents } from './events.ts';
import { bitbucketStatus } from './status.ts';

// The payload of a pull request doesn't tell which of its four events it is; most are updates.
const EVENTS_BY_FIELD = [
  ['pullrequest', 'pullrequest:updated'],
  ['push', 'repo:push'],
] as const;

/** Bitbucket Cloud. */
export const bitbucket: Forge = {
  name: 'bitbucket',
  mediaTypes: ['application/json'],
  verify: (headers, rawBody, secret) =>
    checkHexSignature(header(headers, 'x-hub-signature')?.replace(/^sha256=/, ''), rawBody, secret),
  deliveryId: (headers) => idFrom(headers, 'x-request-uuid'),
  payload: (headers, rawBody) => readPayload(headers, rawBody, { form: false }),
  events: bitbucketEvents,
  headersFor: (json, name) => ({
    'x-event-key': name ?? EVENTS_BY_FIELD.find(([field]) => has(json, field))?.[1],
  }),
  status: bitbucketStatus,
  alreadyReported: () => false,
};
