import { buildRequest } from '@kiln/contracts';
import { describe, expect } from 'vitest';
import { openState } from './open-state.ts';
import {
  APP,
  failureOf,
  LOGIN,
  NEW_KEY,
  newSecret,
  OLD_KEY,
  test,
  type VaultProcess,
  wanted,
} from './testing/secret-vault.ts';

describe('resealing with another key', () => {
  const fill = async ({ store }: VaultProcess) => {
    await store.set(newSecret('NPM'));
    await store.set(newSecret('r.example', LOGIN, { repo: APP }));
  };

  test('works with the new key before the old one, which can be removed afterwards', async ({ vault }) => {
    await fill(vault.process(OLD_KEY));
    const both = vault.process(NEW_KEY, OLD_KEY);
    expect((await both.reader.read(wanted(['NPM']))).values.get('npm')).toBe('hunter22');
    expect(await both.resealer.run()).toMatchObject({
      keyId: both.sealer.keyId,
      stored: { resealed: 2, current: 0, unreadable: [] },
    });
    expect(await both.resealer.run()).toMatchObject({ stored: { resealed: 0, current: 2 } });
    const after = vault.process(NEW_KEY);
    expect(await after.resealer.run({ isThorough: true })).toMatchObject({ stored: { current: 2, unreadable: [] } });
    expect(await after.reader.read(wanted(['NPM']))).toMatchObject({
      values: new Map([['npm', 'hunter22']]),
      logins: [{ password: 'pass-4711' }],
    });
    expect((await after.store.list()).map((secret) => after.store.isReadable(secret))).toEqual([true, true]);
  });

  test('covers the secrets of schedules', async ({ vault }) => {
    const schedule = { cron: '0 0 29 2 *', timezone: 'UTC', paused: false, trust: 'trusted', createdBy: 'me' } as const;
    const spec = { ...buildRequest.parse({ source: { type: 'git', url: 'https://git.example/app' } }), secrets: ['t'] };
    const withKeys = (...secretKey: Buffer[]) =>
      openState({ redisUrl: vault.url, namespace: 'reseal-schedules', secretKey, onError: () => {} });
    await using old = await withKeys(OLD_KEY);
    const values = { t: 'hunter22' };
    const { id } = await old.schedules.create({ ...schedule, name: 'n', team: 'web', spec, secrets: values });
    await using other = await withKeys(NEW_KEY);
    expect((await other.resealer.run()).builds).toEqual({ resealed: 0, current: 0, unreadable: 1 });
    await using both = await withKeys(NEW_KEY, OLD_KEY);
    expect((await both.resealer.run()).builds).toEqual({ resealed: 1, current: 0, unreadable: 0 });
    expect((await both.resealer.run()).builds).toEqual({ resealed: 0, current: 1, unreadable: 0 });
    expect(await other.schedules.secretsOf(id)).toEqual(values);
    expect(await both.schedules.get(id)).toMatchObject({ name: 'n', spec });
  });

  test('without the old key reports every secret as unreadable and leaves it as it is', async ({ vault }) => {
    const old = vault.process(OLD_KEY);
    await fill(old);
    const before = await vault.redis.hgetall(vault.keys.teamSecretValues('web'));
    const other = vault.process(NEW_KEY);
    const { stored } = await other.resealer.run();
    const reason = `sealed with key ${old.sealer.keyId}, which is not among those given here`;
    expect(stored.unreadable.map(({ secret: { name }, reason: why }) => [name, why])).toEqual(
      expect.arrayContaining([
        ['NPM', reason],
        ['r.example', reason],
      ]),
    );
    expect(await vault.redis.hgetall(vault.keys.teamSecretValues('web'))).toEqual(before);
    expect((await other.store.list()).some((secret) => other.store.isReadable(secret))).toBe(false);
    expect(await failureOf(other.reader.read(wanted(['NPM'])))).toEqual({
      code: 'secret_unreadable',
      message: `the secret NPM of team web can’t be opened on this host: ${reason}`,
    });
    // The build didn’t name the login and may not need it.
    const { warnings, logins } = await other.reader.read(wanted());
    expect([warnings, logins]).toEqual([
      [
        `the registry login r.example of repo ${APP} of team web can’t be opened on this host: ${reason}; the build goes without`,
      ],
      [],
    ]);
    expect((await old.reader.read(wanted(['NPM']))).values.get('npm')).toBe('hunter22');
  });

  test('loses no value while values are set and two processes disagree on the first key', async ({ vault }) => {
    const [a, b] = [vault.process(OLD_KEY, NEW_KEY), vault.process(NEW_KEY, OLD_KEY)];
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
    const { values } = await vault.process(NEW_KEY).reader.read(wanted(names));
    expect([...values.values()]).toEqual(names.map((name) => `${name}-10`));
  });

  test('reports altered values if it is thorough', async ({ vault }) => {
    const one = vault.process(OLD_KEY);
    await fill(one);
    const values = vault.keys.teamSecretValues('web');
    const sealed = (await vault.redis.hget(values, 'build  NPM')) ?? '';
    await vault.redis.hset(values, 'build  NPM', `${sealed.slice(0, -8)}AAAAAAAA`);
    expect((await one.resealer.run()).stored.unreadable).toEqual([]);
    expect((await one.resealer.run({ isThorough: true })).stored.unreadable).toMatchObject([
      { secret: { name: 'NPM' }, reason: 'altered, or moved from its place' },
    ]);
  });
});
