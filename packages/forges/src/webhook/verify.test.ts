import { timingSafeEqual } from 'node:crypto';
import { FORGES, type ForgeName } from '@kiln/contracts';
import { Webhook } from 'standardwebhooks';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { forge } from '../forges.ts';
import { delivery, NOW_MS, SECRET, STANDARD_SECRET, sign } from '../testing/fixtures.ts';

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  return { ...crypto, timingSafeEqual: vi.fn(crypto.timingSafeEqual) };
});

const compared = vi.mocked(timingSafeEqual);
beforeEach(() => {
  compared.mockClear();
});

const SIGNATURE_HEADERS: Readonly<Record<ForgeName, string>> = {
  github: 'x-hub-signature-256',
  gitlab: 'x-gitlab-token',
  gitea: 'x-gitea-signature',
  bitbucket: 'x-hub-signature',
};
const check = (name: ForgeName, headers: Parameters<typeof sign>[2], body: Buffer, secret = SECRET) =>
  forge(name).verify(headers, body, secret, NOW_MS);

describe.each(FORGES)('%s', (name) => {
  const { headers, body } = delivery(name, 'push');
  const at = SIGNATURE_HEADERS[name];
  const without = { ...headers, [at]: undefined, 'x-hub-signature-256': undefined };

  it('accepts a signature by the secret, and compares in constant time', () => {
    expect(check(name, headers, body)).toEqual({ ok: true });
    expect(compared).toHaveBeenCalledTimes(1);
    const [given, expected] = compared.mock.calls[0] ?? [];
    expect([given?.byteLength, expected?.byteLength]).toEqual([32, 32]);
  });

  it('refuses another secret after the same comparison', () => {
    expect(check(name, headers, body, 'it rains on Wednesdays')).toMatchObject({ ok: false });
    expect(check(name, headers, body, 'short')).toMatchObject({ ok: false });
    expect(compared).toHaveBeenCalledTimes(2);
  });

  it('refuses a missing, repeated or malformed signature', () => {
    expect(check(name, without, body)).toEqual({ ok: false, why: expect.stringContaining('missing') });
    expect(check(name, { ...without, [at]: [String(headers[at]), 'x'] }, body)).toMatchObject({ ok: false });
    for (const value of ['', 'sha256=', 'sha1=0a', '☃'.repeat(64), 'f'.repeat(63), 'f'.repeat(65)]) {
      expect(check(name, { ...without, [at]: value }, body)).toMatchObject({ ok: false });
    }
  });

  it('refuses everything while the connection has no secret', () => {
    expect(check(name, sign(name, body, headers, '').headers, body, '')).toMatchObject({ ok: false });
  });

  it('reads the id of the delivery', () => {
    expect(forge(name).deliveryId(headers)).toMatch(/^[0-9a-f-]{36}$/);
    expect(forge(name).deliveryId({})).toBeUndefined();
    const spoilt = Object.fromEntries(Object.keys(headers).map((key) => [key, 'a b\n']));
    expect(forge(name).deliveryId(spoilt)).toBeUndefined();
  });
});

describe.each(['github', 'gitea', 'bitbucket'] as const)('a signature of %s', (name) => {
  const { headers, body } = delivery(name, 'push');

  it('doesn’t match if any byte was altered', () => {
    for (const i of [0, 1, Math.floor(body.length / 2), body.length - 1]) {
      const altered = Buffer.from(body);
      altered[i] = (altered[i] ?? 0) ^ 1;
      expect(check(name, headers, altered)).toEqual({ ok: false, why: 'the signature does not match the body' });
    }
    expect(check(name, headers, body.subarray(0, -1))).toMatchObject({ ok: false });
  });

  it('covers bytes that are neither UTF-8 nor JSON', () => {
    const bytes = Buffer.from([0xff, 0xfe, 0x00, 0x80]);
    expect(check(name, sign(name, bytes, {}).headers, bytes)).toEqual({ ok: true });
  });

  it('doesn’t match if one digit was altered', () => {
    const at = SIGNATURE_HEADERS[name];
    const signature = String(headers[at]);
    const last = signature.at(-1) === '0' ? '1' : '0';
    expect(check(name, { ...headers, [at]: signature.slice(0, -1) + last }, body)).toMatchObject({ ok: false });
  });
});

describe('gitea', () => {
  const { headers, body } = delivery('gitea', 'push');
  const signature = String(headers['x-gitea-signature']);

  it.each([
    { 'x-forgejo-signature': signature },
    { 'x-gitea-signature': signature },
    { 'x-hub-signature-256': `sha256=${signature}` },
  ])('accepts %o', (headers) => {
    expect(check('gitea', headers, body)).toEqual({ ok: true });
  });

  it('checks Forgejo’s own header if both are present', () => {
    const both = { 'x-forgejo-signature': '0'.repeat(64), 'x-gitea-signature': signature };
    expect(check('gitea', both, body)).toMatchObject({ ok: false });
  });
});

describe('gitlab with a signing token', () => {
  const { body, headers } = delivery('gitlab', 'push');
  const seconds = NOW_MS / 1000;
  const signed = (secret = STANDARD_SECRET, timestamp = seconds) => ({
    'webhook-id': 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f',
    'webhook-timestamp': String(timestamp),
    'webhook-signature': new Webhook(secret).sign(
      'f5e5f430-f57b-4e6e-9fac-d9128cd7232f',
      new Date(timestamp * 1000),
      body.toString(),
    ),
  });
  const other = `whsec_${Buffer.from('another key of 24 bytes!').toString('base64')}`;

  it('accepts a signature by the specification’s library, alone or among others', () => {
    expect(check('gitlab', signed(), body, STANDARD_SECRET)).toEqual({ ok: true });
    const two = `${signed(other)['webhook-signature']} ${signed()['webhook-signature']}`;
    expect(check('gitlab', { ...signed(), 'webhook-signature': two }, body, STANDARD_SECRET)).toEqual({ ok: true });
    expect(compared).toHaveBeenCalledTimes(3);
  });

  it.each([
    ['another key', signed(other)],
    ['no signature', { ...signed(), 'webhook-signature': undefined }],
    ['another id', { ...signed(), 'webhook-id': 'x' }],
    ['another time', { ...signed(), 'webhook-timestamp': String(seconds + 1) }],
    ['an old time', signed(STANDARD_SECRET, seconds - 301)],
    ['a future time', signed(STANDARD_SECRET, seconds + 301)],
    ['a malformed time', { ...signed(), 'webhook-timestamp': 'now' }],
    ['another version', { ...signed(), 'webhook-signature': signed()['webhook-signature'].replace('v1,', 'v2,') }],
    ['only the old token, even the right one', { ...headers, 'x-gitlab-token': STANDARD_SECRET }],
  ])('refuses %s', (_, headers) => {
    expect(check('gitlab', headers, body, STANDARD_SECRET)).toMatchObject({ ok: false });
  });

  it('refuses a body altered by one byte', () => {
    const altered = Buffer.from(body);
    altered[10] = (altered[10] ?? 0) ^ 1;
    expect(check('gitlab', signed(), altered, STANDARD_SECRET)).toMatchObject({ ok: false });
  });
});
