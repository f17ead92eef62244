import { Readable } from 'node:stream';
import { type AuditEntry, FORGES, type ForgeName, type Problem } from '@kiln/contracts';
import { delivery as recorded, SECRET, sign } from '@kiln/forges/testing';
import { allowedHosts } from '@kiln/runtime';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestApi } from '../../testing/test-api.ts';
import { type Hook, hook, TestForge } from '../../testing/test-forge.ts';

const PUSHES: Readonly<Record<ForgeName, string>> = {
  github: 'push',
  gitlab: 'push',
  gitea: 'push',
  bitbucket: 'push',
};
const STANDARD = `whsec_${Buffer.from('twenty-four bytes of key').toString('base64')}`;
const MAX = 25 * 1024 * 1024;
const LOOPBACK = allowedHosts.parse('loopback');
let redis: TestRedis;
let api: TestApi;
let forge: TestForge;

beforeAll(async () => {
  redis = await TestRedis.start();
  api = await TestApi.start({ hookRetryMs: 10 }, { redis, allowed: LOOPBACK });
  forge = await TestForge.start(api);
  // These tests need no commits: a refusal ends a delivery at once.
  forge.git.instead = (_request, response) => void response.writeHead(404).end();
  for (const name of FORGES) await forge.connect(name);
});
afterAll(async () => {
  await forge[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const problemOf = async (answer: Response) => (await answer.json()) as Problem;
const stored = async () => (await api.state.deliveries.list({}, { limit: 200 })).deliveries.map(({ id }) => id);

function altered(one: Hook, change: (body: Buffer) => Buffer): Hook {
  return { ...one, body: change(Buffer.from(one.body)) };
}

/** A webhook of GitHub's, padded to a size. */
function sized(bytes: number): Hook {
  const { headers, body } = recorded('github', 'ping');
  const text = body.toString().trimEnd();
  const padded = Buffer.from(`${text.slice(0, -1)},"pad":"${'x'.repeat(bytes - text.length - 9)}"}`);
  expect(padded.length).toBe(bytes);
  const signed = sign('github', padded, { ...headers, 'x-github-delivery': `sized-${bytes}` });
  return { forge: 'github', ...signed } as Hook;
}

describe.each(FORGES)('a webhook of %s', (name) => {
  test('is accepted only if it is signed', async () => {
    const before = await stored();
    const good = hook(name, PUSHES[name]);
    const signatures = Object.keys(good.headers).filter((one) => /signature|token/.test(one));
    const bad = [
      {
        ...good,
        headers: Object.fromEntries(Object.entries(good.headers).filter(([one]) => !signatures.includes(one))),
      },
      { ...good, headers: sign(name, good.body, good.headers, 'another secret').headers as Record<string, string> },
    ];
    for (const one of bad) {
      const answer = await forge.send(one);
      expect(answer.status).toBe(401);
      const text = await answer.text();
      expect(JSON.parse(text)).toMatchObject({ code: 'unauthorized', errors: [{ field: 'signature' }] });
      for (const signature of Object.values(one.headers))
        if (signature.length > 20) expect(text).not.toContain(signature);
    }
    expect(await stored()).toEqual(before);
    const answer = await forge.send(good);
    expect(answer.status).toBe(202);
    const { id } = (await answer.json()) as { id: string };
    expect(answer.headers.get('location')).toBe(`/v1/hooks/deliveries/${id}`);
    expect(await stored()).toEqual([id, ...before]);
  });

  test('is refused if a byte was added, removed or changed, wherever it is', async () => {
    if (name === 'gitlab') await forge.connect('gitlab', { webhookSecret: STANDARD });
    const whole = name === 'gitlab' ? standardHook() : hook(name, PUSHES[name]);
    const at = [0, 1, Math.floor(whole.body.length / 2), whole.body.length - 1];
    const changes = [
      ...at.map((i) => (body: Buffer) => {
        body[i] = (body[i] ?? 0) ^ 1;
        return body;
      }),
      (body: Buffer) => body.subarray(0, -1),
      (body: Buffer) => Buffer.concat([body, Buffer.from(' ')]),
    ];
    const before = await stored();
    for (const change of changes) expect((await forge.send(altered(whole, change))).status).toBe(401);
    expect(await stored()).toEqual(before);
    expect((await forge.send(whole)).status).toBe(202);
    if (name === 'gitlab') await forge.connect('gitlab');
  });

  test('of another media type is refused unread', async () => {
    const good = hook(name, PUSHES[name]);
    for (const type of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'application/jsonp']) {
      const answer = await forge.send({ ...good, headers: { ...good.headers, 'content-type': type } });
      expect([answer.status, (await problemOf(answer)).code]).toEqual([415, 'unsupported_media_type']);
    }
    const gzipped = await forge.send({ ...good, headers: { ...good.headers, 'content-encoding': 'gzip' } });
    expect(gzipped.status).toBe(415);
    const utf8 = { ...good, headers: { ...good.headers, 'content-type': 'application/json; charset=utf-8' } };
    expect((await forge.send(utf8)).status).toBe(202);
    const form = await forge.send(asForm(name));
    expect(form.status).toBe(name === 'github' || name === 'gitea' ? 202 : 415);
  });
});

/** A webhook of GitLab's that is signed with a signing token, by Standard Webhooks. */
function standardHook(): Hook {
  const { headers, body } = hook('gitlab', 'push');
  const { 'x-gitlab-token': _, ...rest } = headers;
  const [id, timestamp] = [`msg-${process.hrtime.bigint()}`, String(Math.floor(Date.now() / 1_000))];
  const key = Buffer.from(STANDARD.replace('whsec_', ''), 'base64');
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const hex = sign('github', content, {}, key as unknown as string).headers['x-hub-signature-256'] as string;
  const base64 = Buffer.from(hex.replace('sha256=', ''), 'hex').toString('base64');
  const signed = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${base64}` };
  return { forge: 'gitlab', body, headers: { ...rest, ...signed } };
}

function asForm(name: ForgeName): Hook {
  const { headers, body } = hook(name, PUSHES[name]);
  const form = Buffer.from(new URLSearchParams({ payload: body.toString() }).toString());
  const { headers: signed } = sign(name, form, { ...headers, 'content-type': 'application/x-www-form-urlencoded' });
  return {
    forge: name,
    body: form,
    headers: { ...(signed as Record<string, string>), 'content-type': 'application/x-www-form-urlencoded' },
  };
}

describe('the size of a webhook', () => {
  test('is at most 25 MiB, with or without Content-Length', async () => {
    expect((await forge.send(sized(MAX))).status).toBe(202);
    const tooLarge = sized(MAX + 1);
    const answer = await forge.send(tooLarge);
    expect([answer.status, (await problemOf(answer)).code]).toEqual([413, 'body_too_large']);
    const chunked = await fetch(`${api.api.url}/v1/hooks/github/github`, {
      ...{ method: 'POST', headers: tooLarge.headers, duplex: 'half' },
      body: Readable.toWeb(Readable.from([tooLarge.body])),
    } as RequestInit);
    expect(chunked.status).toBe(413);
  });
});

describe('the address of a webhook', () => {
  test('names a connection and its forge; anything else is not found', async () => {
    const good = hook('github', 'ping');
    for (const path of ['github/other', 'gitea/github', 'github/Bad!', 'svn/github']) {
      const answer = await fetch(`${api.api.url}/v1/hooks/${path}`, {
        method: 'POST',
        headers: good.headers,
        body: 'x',
      });
      expect(answer.status).toBe(path === 'github/Bad!' || path === 'svn/github' ? 400 : 404);
    }
    await forge.connect('github', { forge: 'github' });
    const get = await api.fetch('/v1/hooks/github/github');
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('of a removed connection accepts nothing, and a changed secret applies at once', async () => {
    const fresh = () => hook('github', 'ping');
    const put = (webhookSecret: string) =>
      api.fetch('/v1/connections/passing', {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ forge: 'github', team: 'web', webhookSecret, repositories: [{ match: ['**'] }] }),
      });
    await put(SECRET);
    expect((await forge.send(fresh(), 'passing')).status).toBe(202);
    await put('changed');
    expect((await forge.send(fresh(), 'passing')).status).toBe(401);
    expect((await api.fetch('/v1/connections/passing', { method: 'DELETE' })).status).toBe(200);
    expect((await forge.send(fresh(), 'passing')).status).toBe(404);
  });
});

describe('repeated webhooks', () => {
  test('with the same id are one delivery, however many arrive at once', async () => {
    const one = hook('github', 'ping');
    const answers = await Promise.all(Array.from({ length: 20 }, () => forge.send(one)));
    const ids = await Promise.all(answers.map(async (answer) => ((await answer.json()) as { id: string }).id));
    expect(new Set(ids).size).toBe(1);
    expect((await forge.settled(ids[0] ?? '')).tries).toBe(1);
  });

  test('without an id are recognised by their bytes', async () => {
    const { headers, ...rest } = hook('github', 'ping');
    const { 'x-github-delivery': _, ...without } = headers;
    const ids = await Promise.all(
      [1, 2].map(async () => ((await (await forge.send({ ...rest, headers: without })).json()) as { id: string }).id),
    );
    expect(ids[0]).toBe(ids[1]);
  });
});

test('stores and logs neither secrets nor signatures; the audit log names the connection', async () => {
  const good = hook('gitlab', 'push');
  const { id } = await forge.delivered(good);
  const { redis: client, keys } = api.state;
  const kept =
    JSON.stringify(await client.hgetall(keys.delivery(id))) + JSON.stringify(await client.hgetall(keys.connections()));
  expect(kept).not.toContain(SECRET);
  expect(kept).not.toContain('status-token');
  expect(api.logged.join('')).not.toContain(SECRET);
  const audit = await (await api.fetch('/v1/audit')).text();
  const entries = audit
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as AuditEntry);
  expect(entries.find(({ target }) => target === id)).toMatchObject({
    ...{
      action: 'receiveWebhook',
      outcome: 'done',
      actor: { kind: 'connection', id: 'connection:gitlab', team: 'web' },
    },
  });
  expect(entries.some(({ action, outcome }) => action === 'receiveWebhook' && outcome === 'refused')).toBe(true);
  expect(audit).not.toContain(SECRET);
});
