import { buildRequest } from '@kiln/contracts';
import type { Trust } from '@kiln/domain';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openState } from '../open-state.ts';
import { connectRedis } from '../redis/connect.ts';
import { createKeys } from '../redis/keys.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { BuildSecretReader } from './build-secrets.ts';
import { SecretsUnavailable, TooManySecrets } from './errors.ts';
import { Resealer } from './reseal.ts';
import { Sealer } from './sealer.ts';
import type { SecretContent } from './secret-content.ts';
import { type NewSecret, SecretStore } from './secret-store.ts';

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const APP = 'git.example/acme/app';
const keys = createKeys('secrets');
let server: TestRedis;
let redis: ReturnType<typeof connectRedis>;
let now = 1_000_000;

beforeAll(async () => {
  server = await TestRedis.start();
  redis = connectRedis(server.url, () => {});
});
afterAll(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  now = 1_000_000;
  await redis.flushall();
});

/** What a process with these keys has. */
function processWith(...secretKeys: Buffer[]) {
  const sealer = new Sealer(secretKeys);
  return {
    sealer,
    store: new SecretStore({ redis, keys, sealer, now: () => now, maxOfATeam: 10 }),
    reader: new BuildSecretReader(redis, keys, sealer, () => now),
    resealer: new Resealer(redis, keys, sealer),
  };
}
type Process = ReturnType<typeof processWith>;

const VALUE: SecretContent = { kind: 'build', value: 'hunter22' };
const newSecret = (name: string, content: SecretContent = VALUE, more: Partial<NewSecret> = {}): NewSecret => ({
  ...{ team: 'web', name, untrustedOk: false, content, updatedBy: 'ada' },
  ...more,
});
const wishes = (names: string[] = [], trust: Trust = 'trusted') => ({
  ...{ team: 'web', repo: APP, trust, named: names.map((name) => ({ id: name.toLowerCase(), name })) },
});
const failureOf = async (reading: Promise<unknown>) => {
  const error = await reading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof SecretsUnavailable) return error.failure;
  throw error ?? new Error('there was no failure');
};

describe('what is kept', () => {
  test('is listed without its value, and in Redis only sealed', async () => {
    const { store, sealer } = processWith(OLD);
    expect(await store.set(newSecret('NPM'))).toMatchObject({ isNew: true });
    now += 5;
    const { secret, isNew } = await store.set(
      newSecret('NPM', { kind: 'build', value: 'other' }, { updatedBy: 'bob' }),
    );
    expect(isNew).toBe(false);
    await store.set(newSecret('NPM', VALUE, { repo: APP, untrustedOk: true }));
    await store.set(newSecret('r.example', { kind: 'registry', username: 'u', password: 'abc' }, { team: 'ops' }));
    const listed = await store.list();
    expect(listed.map(({ team, repo, kind, name }) => [team, repo, kind, name])).toEqual([
      ['ops', undefined, 'registry', 'r.example'],
      ['web', undefined, 'build', 'NPM'],
      ['web', APP, 'build', 'NPM'],
    ]);
    expect(listed[1]).toEqual(secret);
    expect(secret).toEqual({
      ...{ team: 'web', kind: 'build', name: 'NPM', untrustedOk: false, masked: true, keyId: sealer.keyId },
      ...{ updatedAt: 1_000_005, updatedBy: 'bob' },
    });
    expect(listed[0]?.masked).toBe(false);
    expect(await store.list('ops')).toEqual([listed[0]]);
    const everything = await Promise.all((await redis.keys('*:values')).map((key) => redis.hgetall(key)));
    expect(JSON.stringify([listed, everything])).not.toMatch(/hunter22|other|"abc"/);
  });

  test('is gone at once when it is removed, and that alone', async () => {
    const { store, reader } = processWith(OLD);
    const { secret } = await store.set(newSecret('NPM'));
    await store.set(newSecret('NPM', VALUE, { repo: APP }));
    await reader.read({ ...wishes(['NPM']), repo: 'git.example/acme/other' });
    expect(await store.remove({ ...secret, repo: 'git.example/acme/other' })).toBeUndefined();
    expect(await store.remove(secret)).toEqual({ ...secret, usedAt: now });
    expect((await store.list()).map(({ repo }) => repo)).toEqual([APP]);
    await store.remove({ ...secret, repo: APP });
    expect(await redis.keys('*')).toEqual([]);
  });

  test('is only so much of a team', async () => {
    const { store } = processWith(OLD);
    for (let i = 0; i < 10; i++) await store.set(newSecret(`S${i}`));
    await expect(store.set(newSecret('S10'))).rejects.toThrow(TooManySecrets);
    expect(await store.set(newSecret('S9'))).toMatchObject({ isNew: false });
    expect(await store.set(newSecret('S10', VALUE, { team: 'ops' }))).toMatchObject({ isNew: true });
  });

  test('opens only where it belongs: not in another’s place, nor for whom it isn’t', async () => {
    const { store, reader } = processWith(OLD);
    const mine = await store.set(newSecret('MINE', { kind: 'build', value: 'mine-4711' }));
    await store.set(newSecret('THEIRS', { kind: 'build', value: 'theirs-4711' }, { team: 'ops' }));
    const [docs, values] = [keys.teamSecrets('web'), keys.teamSecretValues('web')];
    const theirs = await redis.hget(keys.teamSecretValues('ops'), 'build  THEIRS');
    const own = await redis.hget(values, 'build  MINE');
    await redis.hset(values, 'build  MINE', theirs ?? '');
    const moved = await failureOf(reader.read(wishes(['MINE'])));
    expect(moved).toMatchObject({
      code: 'secret_unreadable',
      message: expect.stringContaining('moved from its place'),
    });
    await redis.hset(values, 'build  MINE', own ?? '');
    await redis.hset(docs, 'build  MINE', JSON.stringify({ ...mine.secret, untrustedOk: true }));
    expect((await failureOf(reader.read(wishes(['MINE'], 'untrusted')))).code).toBe('secret_unreadable');
  });
});

describe('what a build gets', () => {
  test('by its own ids, with logins and git tokens for the hosts that it brings nothing for; each use is noted', async () => {
    const { store, reader } = processWith(OLD);
    await store.set(newSecret('NPM'));
    await store.set(newSecret('NPM', { kind: 'build', value: 'of-the-repo' }, { repo: APP }));
    await store.set(newSecret('UNUSED'));
    await store.set(newSecret('r.example', { kind: 'registry', username: 'u', password: 'pass-4711' }));
    await store.set(newSecret('git.a', { kind: 'git', token: 'token-a' }));
    await store.set(newSecret('git.b', { kind: 'git', token: 'token-b', username: 'x-token-auth' }));
    await store.set(newSecret('git.c', { kind: 'git', token: 'token-c' }));
    now += 7;
    const got = await reader.read(wishes(['NPM']), ['GIT_AUTH_TOKEN.git.c']);
    expect(got).toEqual({
      values: new Map([
        ['npm', 'of-the-repo'],
        ['GIT_AUTH_TOKEN.git.a', 'token-a'],
        ['GIT_AUTH_HEADER.git.b', `basic ${Buffer.from('x-token-auth:token-b').toString('base64')}`],
      ]),
      logins: [{ host: 'r.example', username: 'u', password: 'pass-4711' }],
      hidden: ['token-a', 'token-b'],
      warnings: [],
    });
    const used = (await store.list()).flatMap(({ name, repo, usedAt }) => (usedAt ? [[repo ?? '', name, usedAt]] : []));
    expect(used).toEqual([
      ['', 'git.a', now],
      ['', 'git.b', now],
      ['', 'r.example', now],
      [APP, 'NPM', now],
    ]);
    now += 59_000;
    await reader.read(wishes(['NPM']));
    expect((await store.list()).find(({ repo }) => repo === APP)?.usedAt).toBe(now - 59_000);
    now += 2_000;
    await reader.read(wishes(['NPM']));
    expect((await store.list()).find(({ repo }) => repo === APP)?.usedAt).toBe(now);
    // Whoever brings a credential for all hosts wants that one.
    expect((await reader.read(wishes(), ['GIT_AUTH_HEADER'])).values).toEqual(new Map());
  });

  test('nothing instead of what isn’t there or isn’t for it; it is told which', async () => {
    const { store, reader } = processWith(OLD);
    await store.set(newSecret('CLOSED'));
    await store.set(newSecret('OPEN', VALUE, { untrustedOk: true }));
    await store.set(newSecret('r.example', { kind: 'registry', username: 'u', password: 'pass-4711' }));
    await store.set(newSecret('git.a', { kind: 'git', token: 'token-a' }));
    expect(await failureOf(reader.read(wishes(['OPEN', 'NONE'])))).toEqual({
      code: 'secret_missing',
      message: `neither repo ${APP} nor team web has a secret NONE`,
    });
    expect(await failureOf(reader.read(wishes(['CLOSED'], 'untrusted')))).toEqual({
      code: 'secret_withheld',
      message: 'the build is untrusted, and the secret CLOSED is not for untrusted builds',
    });
    expect(await reader.read(wishes(['OPEN'], 'untrusted'))).toMatchObject({
      values: new Map([['open', 'hunter22']]),
      logins: [],
      hidden: [],
    });
    const why = (await reader.refusals(wishes(['CLOSED', 'OPEN', 'NONE'], 'untrusted'))).map((one) => one.why);
    expect(why).toEqual(['withheld', 'missing']);
  });

  test('the whole of one value, however often it is set meanwhile', async () => {
    const { store, reader } = processWith(OLD);
    await store.set(newSecret('NPM', { kind: 'build', value: 'v0' }, { untrustedOk: true }));
    let stop = false;
    const setting = (async () => {
      for (let i = 1; !stop; i++) {
        await store.set(newSecret('NPM', { kind: 'build', value: `v${i}` }, { untrustedOk: i % 2 === 0 }));
      }
    })();
    onTestFinished(() => {
      stop = true;
      return setting;
    });
    const got = new Set<string>();
    for (let i = 0; i < 300; i++) {
      const value = (await reader.read(wishes(['NPM']))).values.get('npm') ?? '';
      expect(value).toMatch(/^v\d+$/);
      got.add(value);
      // What is withheld at the time is refused; what isn't opens.
      const untrusted = await reader.read(wishes(['NPM'], 'untrusted')).catch(({ failure }) => failure);
      expect(untrusted.code ?? Number(untrusted.values.get('npm').slice(1)) % 2).toBeOneOf([0, 'secret_withheld']);
    }
    expect(got.size).toBeGreaterThan(1);
  });
});

describe('another key', () => {
  const fill = async ({ store }: Process) => {
    await store.set(newSecret('NPM'));
    await store.set(newSecret('r.example', { kind: 'registry', username: 'u', password: 'pass-4711' }, { repo: APP }));
  };

  test('put in front opens what the old one sealed, seals it anew, and the old one can go', async () => {
    await fill(processWith(OLD));
    const both = processWith(NEW, OLD);
    expect((await both.reader.read(wishes(['NPM']))).values.get('npm')).toBe('hunter22');
    expect(await both.resealer.run()).toMatchObject({
      keyId: both.sealer.keyId,
      stored: { resealed: 2, current: 0, unreadable: [] },
    });
    expect(await both.resealer.run()).toMatchObject({ stored: { resealed: 0, current: 2 } });
    const after = processWith(NEW);
    expect(await after.resealer.run({ isThorough: true })).toMatchObject({ stored: { current: 2, unreadable: [] } });
    expect(await after.reader.read(wishes(['NPM']))).toMatchObject({
      values: new Map([['npm', 'hunter22']]),
      logins: [{ password: 'pass-4711' }],
    });
    expect((await after.store.list()).map((secret) => after.store.isReadable(secret))).toEqual([true, true]);
  });

  test('seals what schedules keep anew, too', async () => {
    const schedule = { cron: '0 0 29 2 *', timezone: 'UTC', paused: false, trust: 'trusted', createdBy: 'me' } as const;
    const spec = { ...buildRequest.parse({ source: { type: 'git', url: 'https://git.example/app' } }), secrets: ['t'] };
    const withKeys = (...secretKey: Buffer[]) =>
      openState({ redisUrl: server.url, namespace: 'reseal-schedules', secretKey, onError: () => {} });
    await using old = await withKeys(OLD);
    const values = { t: 'hunter22' };
    const { id } = await old.schedules.create({ ...schedule, name: 'n', team: 'web', spec, secrets: values });
    await using other = await withKeys(NEW);
    expect((await other.resealer.run()).builds).toEqual({ resealed: 0, current: 0, unreadable: 1 });
    await using both = await withKeys(NEW, OLD);
    expect((await both.resealer.run()).builds).toEqual({ resealed: 1, current: 0, unreadable: 0 });
    expect((await both.resealer.run()).builds).toEqual({ resealed: 0, current: 1, unreadable: 0 });
    expect(await other.schedules.secretsOf(id)).toEqual(values);
    expect(await both.schedules.get(id)).toMatchObject({ name: 'n', spec });
  });

  test('in the old one’s place opens nothing, says so of each, and loses nothing', async () => {
    const old = processWith(OLD);
    await fill(old);
    const before = await redis.hgetall(keys.teamSecretValues('web'));
    const other = processWith(NEW);
    const { stored } = await other.resealer.run();
    const reason = `sealed with key ${old.sealer.keyId}, which is not among those given here`;
    expect(stored.unreadable.map(({ secret: { name }, reason: why }) => [name, why])).toEqual(
      expect.arrayContaining([
        ['NPM', reason],
        ['r.example', reason],
      ]),
    );
    expect(await redis.hgetall(keys.teamSecretValues('web'))).toEqual(before);
    expect((await other.store.list()).some((secret) => other.store.isReadable(secret))).toBe(false);
    expect(await failureOf(other.reader.read(wishes(['NPM'])))).toEqual({
      code: 'secret_unreadable',
      message: `the secret NPM of team web can’t be opened on this host: ${reason}`,
    });
    // Nobody asked for the login: the build may not need it.
    const { warnings, logins } = await other.reader.read(wishes());
    expect([warnings, logins]).toEqual([
      [
        `the registry login r.example of repo ${APP} of team web can’t be opened on this host: ${reason}; the build goes without`,
      ],
      [],
    ]);
    expect((await old.reader.read(wishes(['NPM']))).values.get('npm')).toBe('hunter22');
  });

  test('is put in place while values are set, and by two processes that disagree, without a value lost', async () => {
    const [a, b] = [processWith(OLD, NEW), processWith(NEW, OLD)];
    const names = Array.from({ length: 8 }, (_, i) => `S${i}`);
    for (const name of names) await a.store.set(newSecret(name, { kind: 'build', value: `${name}-0` }));
    const rounds = Array.from({ length: 10 }, (_, i) => i + 1);
    await Promise.all([
      ...[a, b].map(async ({ resealer }) => {
        for (const _ of rounds) expect((await resealer.run()).stored.unreadable).toEqual([]);
      }),
      ...[a, b].map(async ({ store }, half) => {
        for (const round of rounds) {
          for (const name of names.slice(half * 4, half * 4 + 4)) {
            await store.set(newSecret(name, { kind: 'build', value: `${name}-${round}` }));
          }
        }
      }),
    ]);
    await b.resealer.run();
    const { values } = await processWith(NEW).reader.read(wishes(names));
    expect([...values.values()]).toEqual(names.map((name) => `${name}-10`));
  });

  test('finds out what was altered, when it is asked to look', async () => {
    const one = processWith(OLD);
    await fill(one);
    const values = keys.teamSecretValues('web');
    const sealed = (await redis.hget(values, 'build  NPM')) ?? '';
    await redis.hset(values, 'build  NPM', `${sealed.slice(0, -8)}AAAAAAAA`);
    expect((await one.resealer.run()).stored.unreadable).toEqual([]);
    expect((await one.resealer.run({ isThorough: true })).stored.unreadable).toMatchObject([
      { secret: { name: 'NPM' }, reason: 'altered, or moved from its place' },
    ]);
  });
});
