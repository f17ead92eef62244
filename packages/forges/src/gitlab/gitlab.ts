import type { Forge } from '../forge.ts';
import { checkStandardSignature, checkToken, isStandardSecret } from '../webhook/authentic.ts';
import { header, idFrom } from '../webhook/headers.ts';
import { readPayload } from '../webhook/payload.ts';
import { gitlabEvent } from './events.ts';
import { gitlabAlreadyReported, gitlabStatus } from './status.ts';

/**
 * GitLab, hosted or self-managed. A secret that begins with `whsec_` is a signing token, and then only a signature is accepted. Any other
 * secret is the older secret token, which GitLab sends in a header.
 */
export const gitlab: Forge = {
  name: 'gitlab',
  mediaTypes: ['application/json'],
  verify: (headers, rawBody, secret, nowMs) =>
    isStandardSecret(secret)
      ? checkStandardSignature(
          {
            id: header(headers, 'webhook-id'),
            timestamp: header(headers, 'webhook-timestamp'),
            signatures: header(headers, 'webhook-signature'),
          },
          rawBody,
          secret,
          nowMs,
        )
      : checkToken(header(headers, 'x-gitlab-token'), secret),
  // The first two are the same in repeats of a delivery. The last one identifies the event, which several webhooks may be about.
  deliveryId: (headers) => idFrom(headers, 'webhook-id', 'idempotency-key', 'x-gitlab-event-uuid'),
  payload: (headers, rawBody) => readPayload(headers, rawBody, { form: false }),
  events: (_headers, json) => [gitlabEvent(json)],
  headersFor: () => ({}),
  status: gitlabStatus,
  alreadyReported: gitlabAlreadyReported,
};
