import type { Forge } from '../forge.ts';
import { checkHexSignature } from '../webhook/authentic.ts';
import { header, idFrom } from '../webhook/headers.ts';
import { readPayload } from '../webhook/payload.ts';
import { has } from '../webhook/shape.ts';
import { githubEvent } from './events.ts';
import { githubStatus } from './status.ts';

const EVENTS_BY_FIELD = [
  ['pull_request', 'pull_request'],
  ['check_run', 'check_run'],
  ['check_suite', 'check_suite'],
  ['zen', 'ping'],
  ['after', 'push'],
] as const;

/** GitHub and GitHub Enterprise Server. */
export const github: Forge = {
  name: 'github',
  mediaTypes: ['application/json', 'application/x-www-form-urlencoded'],
  verify: (headers, rawBody, secret) =>
    checkHexSignature(header(headers, 'x-hub-signature-256')?.replace(/^sha256=/, ''), rawBody, secret),
  deliveryId: (headers) => idFrom(headers, 'x-github-delivery'),
  payload: (headers, rawBody) => readPayload(headers, rawBody, { form: true }),
  events: (headers, json) => [githubEvent(headers, json)],
  headersFor: (json, name) => ({ 'x-github-event': name ?? EVENTS_BY_FIELD.find(([field]) => has(json, field))?.[1] }),
  status: githubStatus,
  alreadyReported: () => false,
};
