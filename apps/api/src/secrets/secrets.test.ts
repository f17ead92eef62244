import { randomUUID } from 'node:crypto';
import { type Problem, resealReport, type SecretView, secretList, secretView } from '@kiln/contracts';
import { openState } from '@kiln/state';
import { describe, expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';
import { PATIENT } from '../testing/patient.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

const OLD_KEY = Buffer.alloc(32, 9);
const namespace = `secrets-${randomUUID()}`;
const redis = await redisForFile();
const api = await apiForFile({}, { redis, namespace });

const json = { 'content-type': 'application/json' };
const put = (body: unknown, headers: Record<string, string> = {}) =>
  api.fetch('/v1/secrets', { method: 'PUT', headers: { ...json, ...headers }, body: JSON.stringify(body) });
const remove = (query: string, headers: Record<string, string> = {}) =>
  api.fetch(`/v1/secrets?${query}`, { method: 'DELETE', headers });
const list = async (query = '', headers: Record<string, string> = {}) =>
  secretList.parse(await (await api.fetch(`/v1/secrets${query}`, { headers })).json()).secrets;

const NPM = { kind: 'build', name: 'NPM', value: 'hunter22', team: 'web' };
const GIT = { source: { type: 'git', url: 'https://git.example/acme/app' } };

describe('a secret', () => {
  test('of each kind is set, listed, replaced and removed, and no answer shows its value', async () => {
    const orders = [
      NPM,
      { kind: 'registry', host: 'index.docker.io', username: 'robot', password: 'hunter33', team: 'web' },
      { kind: 'git', host: 'git.example:8443', token: 'hunter44', team: 'web', untrustedOk: true },
      { ...NPM, repo: 'https://git.example/acme/app.git', value: 'abc' },
    ];
    const texts: string[] = [];
    for (const order of orders) {
      const answer = await put(order);
      expect(answer.status).toBe(201);
      texts.push(await answer.text());
    }
    expect(secretView.parse(JSON.parse(texts[3] ?? ''))).toMatchObject({
      ...{ team: 'web', repo: 'git.example/acme/app', kind: 'build', name: 'NPM', untrustedOk: false },
      ...{ masked: false, readable: true, updatedBy: 'local admin' },
    });
    const again = await put({ ...NPM, value: 'hunter55' });
    expect(again.status).toBe(200);
    texts.push(await again.text(), await (await api.fetch('/v1/secrets')).text());
    const names = (found: SecretView[]) => found.map(({ kind, name, repo }) => `${kind} ${name} ${repo ?? '-'}`);
    expect(names(await list('?team=web'))).toEqual([
      'build NPM -',
      'git git.example:8443 -',
      'registry docker.io -',
      'build NPM git.example/acme/app',
    ]);
    expect(names(await list('?repo=git@git.example:acme/app'))).toEqual(['build NPM git.example/acme/app']);
    const removed = await remove('team=web&kind=registry&name=docker.io');
    expect(removed.status).toBe(200);
    texts.push(await removed.text());
    expect(await problemIn(await remove('team=web&kind=registry&name=docker.io'))).toMatchObject({
      code: 'secret_not_found',
      errors: [{ field: 'query name', expected: 'the name of a secret of team web for all its repos' }],
    });
    expect(names(await list('?team=web'))).not.toContain('registry docker.io -');
    const everything = [...texts, ...api.logged, await (await api.fetch('/v1/audit')).text()].join('\n');
    expect(everything).toContain('"target":"NPM"');
    expect(everything).toContain('"target":"git.example:8443"');
    expect(everything).not.toMatch(/hunter|robot|"abc"/);
  });

  test.each([
    [{ ...NPM, name: '0NPM' }, 'name', '"0NPM"'],
    [{ ...NPM, value: '' }, 'value', 'a value that is not shown'],
    [{ ...NPM, value: 'ä'.repeat(256_001) }, 'value', 'a value that is not shown'],
    [{ ...NPM, vaule: 'hunter22' }, 'vaule', 'a value that is not shown'],
    [{ ...NPM, value: 4711 }, 'value', 'a value that is not shown'],
    ['hunter22', 'body', 'a value that is not shown'],
    [{ kind: 'registry', host: 'https://r.example', username: 'u', password: 'p' }, 'host', '"https://r.example"'],
    [{ kind: 'registry', host: 'r', username: 'u:v', password: 'p' }, 'username', 'a value that is not shown'],
    [{ kind: 'registry', host: 'r', username: 'u' }, 'password', 'nothing'],
    [{ kind: 'git', host: 'r', token: 'two\nlines' }, 'token', 'a value that is not shown'],
    [{ kind: 'ssh', value: 'hunter22' }, 'kind', '"ssh"'],
  ])('that is invalid is refused by its field without quoting it: %j', async (body, field, got) => {
    const answer = await put(body);
    const text = await answer.text();
    expect(answer.status).toBe(400);
    expect((JSON.parse(text) as Problem).errors).toMatchObject([{ field, got }]);
    expect(text).not.toMatch(/hunter22|4711|two/);
  });

  test('may be as large as BuildKit accepts, and no larger', async () => {
    expect((await put({ ...NPM, name: 'LARGE', value: 'x'.repeat(512_000) })).status).toBe(201);
    expect((await problemIn(await put({ ...NPM, value: 'x'.repeat(512_001) }))).errors).toMatchObject([
      { field: 'value', expected: 'at most 512000 bytes' },
    ]);
  });

  test('belongs to a team: others can neither see, set nor remove it', async () => {
    const scopes = ['secrets:write', 'builds:read'] as const;
    const [web, ops] = [await api.token({ team: 'a', scopes }), await api.token({ team: 'b', scopes })];
    const { team: _, ...own } = NPM;
    expect((await put(own, web.headers)).status).toBe(201);
    expect(await list('', web.headers)).toMatchObject([{ team: 'a', name: 'NPM' }]);
    expect(await list('', ops.headers)).toEqual([]);
    for (const answer of [
      await put({ ...own, team: 'a' }, ops.headers),
      await remove('team=a&name=NPM', ops.headers),
      await api.fetch('/v1/secrets?team=a', { headers: ops.headers }),
    ]) {
      expect(await problemIn(answer)).toMatchObject({ status: 403, code: 'forbidden' });
    }
    expect((await remove('name=NPM', ops.headers)).status).toBe(404);
    expect(await list('', web.headers)).toHaveLength(1);
  });

  test('can’t be set by credentials that only build, or that are untrusted', async () => {
    const builder = await api.token({ scopes: ['builds:write', 'builds:read'] });
    const doubtful = await api.token({ scopes: ['secrets:write'], trust: 'untrusted' });
    for (const { headers } of [builder, doubtful]) {
      expect(await problemIn(await put(NPM, headers))).toMatchObject({ status: 403, code: 'forbidden' });
    }
  });
});

describe('a build that names secrets', () => {
  test('is refused if one is missing, with the fields that name it', async () => {
    await put({ ...NPM, name: 'HERE', team: 'c', repo: 'git.example/acme/app' });
    const submit = (more: object) => api.post('/v1/builds', { ...GIT, team: 'c', ...more });
    expect((await submit({ storedSecrets: ['HERE', { id: 'x', name: 'HERE' }] })).status).toBe(202);
    expect(await problemIn(await submit({ storedSecrets: ['HERE', 'NOT', { id: 'x', name: 'NEVER' }] }))).toMatchObject(
      {
        ...{ status: 422, code: 'secret_missing' },
        errors: [
          { field: 'storedSecrets[1]', got: '"NOT"', expected: expect.stringContaining('kiln secret set NOT') },
          { field: 'storedSecrets[2]', got: '"NEVER"' },
        ],
      },
    );
    const elsewhere = { source: { type: 'git', url: 'https://git.example/acme/other' }, storedSecrets: ['HERE'] };
    expect((await submit(elsewhere)).status).toBe(422);
    expect((await submit({ team: 'd', storedSecrets: ['HERE'] })).status).toBe(422);
  });

  test('may name each id only once, including its own secrets', async () => {
    const answer = await api.post('/v1/builds', { ...GIT, secrets: { a: 'hunter22' }, storedSecrets: ['b', 'a', 'b'] });
    expect((await problemIn(answer)).errors).toMatchObject([
      { field: 'storedSecrets[1]' },
      { field: 'storedSecrets[2]' },
    ]);
  });

  test('stores only their names, and a retry checks again that they exist', async () => {
    await put({ ...NPM, name: 'GONE', team: 'e' });
    const build = await api.submit({ team: 'e', storedSecrets: ['GONE'] });
    expect(build.request).toMatchObject({ storedSecrets: ['GONE'], secrets: [] });
    await api.fetch(`/v1/builds/${build.id}/cancel`, { method: 'POST' });
    const keys = await api.state.redis.keys(`*${build.id}*`);
    expect(keys).not.toContain(api.state.keys.secrets(build.id));
    await remove('team=e&name=GONE');
    const retry = () => api.fetch(`/v1/builds/${build.id}/retry`, { method: 'POST' });
    expect(await problemIn(await retry())).toMatchObject({ status: 422, code: 'secret_missing' });
    await put({ ...NPM, name: 'GONE', team: 'e' });
    expect((await retry()).status).toBe(202);
  });

  test('is refused those that aren’t marked for untrusted builds, if it is untrusted', async () => {
    await put({ ...NPM, name: 'CLOSED', team: 'f' });
    await put({ ...NPM, name: 'OPEN', team: 'f', untrustedOk: true });
    const { headers } = await api.token({ team: 'f', scopes: ['builds:write'], trust: 'untrusted' });
    const submit = (...storedSecrets: string[]) => api.post('/v1/builds', { ...GIT, storedSecrets }, headers);
    expect((await submit('OPEN')).status).toBe(202);
    expect(await problemIn(await submit('OPEN', 'CLOSED'))).toMatchObject({
      ...{ status: 403, code: 'forbidden' },
      errors: [{ field: 'storedSecrets[1]', got: '"CLOSED"' }],
    });
  });
});

describe('a new key', () => {
  test('reseals secrets in the background and on request, which reports unreadable ones', async () => {
    // Sealed by an API with the old key.
    await using old = await openState({ redisUrl: redis.url, namespace, secretKey: OLD_KEY, onError: () => {} });
    const content = { kind: 'build', value: 'hunter22' } as const;
    await old.secrets.set({ team: 'g', name: 'OLD', untrustedOk: false, content, updatedBy: 'ada' });
    const reseal = async () => resealReport.parse(await (await api.post('/v1/secrets/reseal', '')).json());
    const report = await reseal();
    expect(report.stored.unreadable).toEqual([
      {
        ...{ team: 'g', kind: 'build', name: 'OLD', keyId: old.sealer.keyId },
        reason: `sealed with key ${old.sealer.keyId}, which is not among those given here`,
      },
    ]);
    expect(await list('?team=g')).toMatchObject([{ name: 'OLD', readable: false, keyId: old.sealer.keyId }]);
    // An API with both keys reseals it as soon as it starts.
    const keys = [Buffer.alloc(32, 1), OLD_KEY];
    await using both = await TestApi.start({}, { redis, namespace, secretKey: keys });
    const { sealer } = both.state;
    await expect
      .poll(() => both.logged.some((line) => line.includes('secrets sealed with the first key')), PATIENT)
      .toBe(true);
    expect(await list('?team=g')).toMatchObject([{ name: 'OLD', readable: true, keyId: sealer.keyId }]);
    expect((await reseal()).stored).toMatchObject({ resealed: 0, unreadable: [] });
    const audit = await (await api.fetch('/v1/audit', { headers: { authorization: `Bearer ${TOKEN}` } })).text();
    expect(audit).toMatch(/"action":"resealSecrets".*"unreadable":"1"/);
  });
});
