import type { Forge } from '../forge.ts';
import { checkHexSignature } from '../webhook/authentic.ts';
import { header, idFrom } from '../webhook/headers.ts';
import { readPayload } from '../webhook/payload.ts';
import { has } from '../webhook/shape.ts';
import { bitbucketEvents } from './events.ts';
import { bitbucketStatus } from './status.ts';

/** Bitbucket Cloud. */
export const bitbucket: Forge = {
  name: 'bitbucket',
  verify: (headers, rawBody, secret) =>
    checkHexSignature(header(headers, 'x-hub-signature')?.replace(/^sha256=/, ''), rawBody, secret),
  deliveryId: (headers) => idFrom(headers, 'x-request-uuid'),
  payload: (headers, rawBody) => readPayload(headers, rawBody, { form: false }),
  events: bitbucketEvents,
  // Which of the four it is of a pull request, the payload doesn't tell; an update is what happens most.
  headersFor: (json) => ({
    'x-event-key': has(json, 'pullrequest') ? 'pullrequest:updated' : has(json, 'push') ? 'repo:push' : undefined,
  }),
  status: bitbucketStatus,
  alreadyReported: () => false,
};
