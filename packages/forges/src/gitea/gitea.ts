import type { Forge } from '../forge.ts';
import { checkHexSignature } from '../webhook/authentic.ts';
import { header, idFrom } from '../webhook/headers.ts';
import { readPayload } from '../webhook/payload.ts';
import { has } from '../webhook/shape.ts';
import { giteaEvent } from './events.ts';
import { giteaStatus } from './status.ts';

const EVENTS_BY_FIELD = [
  ['pull_request', 'pull_request'],
  ['ref_type', 'create'],
  ['after', 'push'],
] as const;

/** Gitea and Forgejo. */
export const gitea: Forge = {
  name: 'gitea',
  mediaTypes: ['application/json', 'application/x-www-form-urlencoded'],
  // Which of these headers are sent depends on the version. They all contain the same signature.
  verify: (headers, rawBody, secret) =>
    checkHexSignature(
      header(headers, 'x-forgejo-signature') ??
        header(headers, 'x-gitea-signature') ??
        header(headers, 'x-hub-signature-256')?.replace(/^sha256=/, ''),
      rawBody,
      secret,
    ),
  deliveryId: (headers) => idFrom(headers, 'x-forgejo-delivery', 'x-gitea-delivery'),
  payload: (headers, rawBody) => readPayload(headers, rawBody, { form: true }),
  events: (headers, json) => [giteaEvent(headers, json)],
  headersFor: (json, name) => ({
    'x-gitea-event': name ?? EVENTS_BY_FIELD.find(([field]) => has(json, field))?.[1],
  }),
  status: giteaStatus,
  alreadyReported: () => false,
};
