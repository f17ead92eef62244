import type { Forge } from '../forge.ts';
import { checkHexSignature } from '../webhook/authentic.ts';
import { header, idFrom } from '../webhook/headers.ts';
import { readPayload } from '../webhook/payload.ts';
import { has } from '../webhook/shape.ts';
import { giteaEvent } from './events.ts';
import { giteaStatus } from './status.ts';

/** Gitea and Forgejo. */
export const gitea: Forge = {
  name: 'gitea',
  // All carry the same signature, and any one is enough: which of them come depends on the version.
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
  headersFor: (json) => ({
    'x-gitea-event': has(json, 'pull_request') ? 'pull_request' : has(json, 'after') ? 'push' : undefined,
  }),
  status: giteaStatus,
  alreadyReported: () => false,
};
