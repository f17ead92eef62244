import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ForgeName } from '@kiln/contracts';
import { forge } from '../forges.ts';
import type { Headers } from '../webhook/headers.ts';

export const SECRET = 'it rains on Tuesdays';
export const STANDARD_SECRET = `whsec_${Buffer.from('twenty-four bytes of key').toString('base64')}`;
export const NOW_MS = Date.parse('2026-01-14T08:03:00.000Z');

export interface Delivery {
  readonly headers: Headers;
  readonly body: Buffer;
  readonly json: unknown;
}

const EVENT_NAMES: Readonly<Record<Exclude<ForgeName, 'gitlab'>, (fixture: string) => string>> = {
  github: (fixture) => fixture.split('-')[0] ?? '',
  gitea: (fixture) => fixture.split('-')[0] ?? '',
  bitbucket: (fixture) => {
    const [kind = '', action] = fixture.split('-');
    return kind === 'push' ? 'repo:push' : `${kind}:${action}`;
  },
};

const GITLAB_EVENTS: Readonly<Record<string, string>> = {
  push: 'Push Hook',
  tag_push: 'Tag Push Hook',
  merge_request: 'Merge Request Hook',
  issue: 'Issue Hook',
};

/** A webhook as the forge sends it: the payload in `payloads/<forge>/<fixture>.json` with its headers, signed with `SECRET`. */
export function delivery(name: ForgeName, fixture: string): Delivery {
  const body = readFileSync(new URL(`payloads/${name}/${fixture}.json`, import.meta.url));
  return { ...sign(name, body, eventHeaders(name, fixture)), json: JSON.parse(body.toString()) };
}

/** Signs a body as the forge does. */
export function sign(
  name: ForgeName,
  body: Buffer,
  headers: Headers,
  secret = SECRET,
): { headers: Headers; body: Buffer } {
  const hex = createHmac('sha256', secret).update(body).digest('hex');
  const signatures: Readonly<Record<ForgeName, Headers>> = {
    github: { 'x-hub-signature-256': `sha256=${hex}` },
    gitlab: { 'x-gitlab-token': secret },
    gitea: { 'x-gitea-signature': hex, 'x-hub-signature-256': `sha256=${hex}` },
    bitbucket: { 'x-hub-signature': `sha256=${hex}` },
  };
  return { body, headers: { 'content-type': 'application/json', ...headers, ...signatures[name] } };
}

function eventHeaders(name: ForgeName, fixture: string): Headers {
  switch (name) {
    case 'github':
      return {
        'x-github-event': EVENT_NAMES.github(fixture),
        'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      };
    case 'gitlab':
      return {
        'x-gitlab-event': GITLAB_EVENTS[fixture.split('-')[0] ?? ''],
        'x-gitlab-event-uuid': '13792a34-cac6-4fda-95a8-c58e00a3954e',
        'idempotency-key': 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f',
      };
    case 'gitea':
      return {
        'x-gitea-event': EVENT_NAMES.gitea(fixture),
        'x-gitea-delivery': 'f6266f16-1bf3-46a5-9ea4-602e06ead473',
      };
    case 'bitbucket':
      return {
        'x-event-key': EVENT_NAMES.bitbucket(fixture),
        'x-request-uuid': '{a1b7ed8c-2d0f-4c5b-8a55-0b1f7c2d9e10}',
      };
  }
}

/** The events of a fixture, read from its bytes. */
export function eventsOf(name: ForgeName, fixture: string) {
  const { headers, body } = delivery(name, fixture);
  const from = forge(name);
  return from.events(headers, from.payload(headers, body));
}
