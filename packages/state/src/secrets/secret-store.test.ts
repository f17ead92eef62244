import { describe, expect, onTestFinished } from 'vitest';
import { APP, failureOf, LOGIN, newSecret, OLD_KEY, test, VALUE, wanted } from '../testing/secret-vault.ts';
import { TooManySecrets } from './errors.ts';

describe('a stored secret', () => {
  test('is listed without its value, which Redis has only sealed', async ({ vault }) => {
    const { store, sealer } = vault.process(OLD_KEY);
    expect(await store.set(newSecret('NPM'))).toMatchObject({ isNew: true });
    vault.now += 5;
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
    const everything = await Promise.all((await vault.redis.keys('*:values')).map((key) => vault.redis.hgetall(key)));
    expect(JSON.stringify([listed, everything])).not.toMatch(/hunter22|other|"abc"/);
  });

  test('is removed at once, and nothing else with it', async ({ vault }) => {
    const { store, reader } = vault.process(OLD_KEY);
    const { secret } = await store.set(newSecret('NPM'));
    await store.set(newSecret('NPM', VALUE, { repo: APP }));
    await reader.read({ ...wanted(['NPM']), repo: 'git.example/acme/other' });
    expect(await store.remove({ ...secret, repo: 'git.example/acme/other' })).toBeUndefined();
    expect(await store.remove(secret)).toEqual({ ...secret, usedAt: vault.now });
    expect((await store.list()).map(({ repo }) => repo)).toEqual([APP]);
    await store.remove({ ...secret, repo: APP });
    expect(await vault.redis.keys('*')).toEqual([]);
  });

  test('is refused beyond the limit of its team', async ({ vault }) => {
    const { store } = vault.process(OLD_KEY);
    for (let i = 0; i < 10; i++) await store.set(newSecret(`S${i}`));
    await expect(store.set(newSecret('S10'))).rejects.toThrow(TooManySecrets);
    expect(await store.set(newSecret('S9'))).toMatchObject({ isNew: false });
    expect(await store.set(newSecret('S10', VALUE, { team: 'ops' }))).toMatchObject({ isNew: true });
  });

  test('doesn’t open in the place of another one, nor for builds that it isn’t for', async ({ vault }) => {
    const { store, reader } = vault.process(OLD_KEY);
    const mine = await store.set(newSecret('MINE', { kind: 'build', value: 'mine-4711' }));
    await store.set(newSecret('THEIRS', { kind: 'build', value: 'theirs-4711' }, { team: 'ops' }));
    const [docs, values] = [vault.keys.teamSecrets('web'), vault.keys.teamSecretValues('web')];
    const theirs = await vault.redis.hget(vault.keys.teamSecretValues('ops'), 'build  THEIRS');
    const own = await vault.redis.hget(values, 'build  MINE');
    await vault.redis.hset(values, 'build  MINE', theirs ?? '');
    const moved = await failureOf(reader.read(wanted(['MINE'])));
    expect(moved).toMatchObject({
      code: 'secret_unreadable',
      message: expect.stringContaining('moved from its place'),
    });
    await vault.redis.hset(values, 'build  MINE', own ?? '');
    await vault.redis.hset(docs, 'build  MINE', JSON.stringify({ ...mine.secret, untrustedOk: true }));
    expect((await failureOf(reader.read(wanted(['MINE'], 'untrusted')))).code).toBe('secret_unreadable');
  });
});

describe('a build', () => {
  test('gets the secrets that it names, and logins and git tokens for hosts that it has no credentials for; uses are recorded', async ({
    vault,
  }) => {
    const { store, reader } = vault.process(OLD_KEY);
    await store.set(newSecret('NPM'));
    await store.set(newSecret('NPM', { kind: 'build', value: 'of-the-repo' }, { repo: APP }));
    await store.set(newSecret('UNUSED'));
    await store.set(newSecret('r.example', LOGIN));
    await store.set(newSecret('git.a', { kind: 'git', token: 'token-a' }));
    await store.set(newSecret('git.b', { kind: 'git', token: 'token-b', username: 'x-token-auth' }));
    await store.set(newSecret('git.c', { kind: 'git', token: 'token-c' }));
    vault.now += 7;
    const got = await reader.read(wanted(['NPM']), ['GIT_AUTH_TOKEN.git.c']);
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
      ['', 'git.a', vault.now],
      ['', 'git.b', vault.now],
      ['', 'r.example', vault.now],
      [APP, 'NPM', vault.now],
    ]);
    vault.now += 59_000;
    await reader.read(wanted(['NPM']));
    expect((await store.list()).find(({ repo }) => repo === APP)?.usedAt).toBe(vault.now - 59_000);
    vault.now += 2_000;
    await reader.read(wanted(['NPM']));
    expect((await store.list()).find(({ repo }) => repo === APP)?.usedAt).toBe(vault.now);
    // A credential for all hosts takes precedence over stored git tokens.
    expect((await reader.read(wanted(), ['GIT_AUTH_HEADER'])).values).toEqual(new Map());
  });

  test('is refused if it names a secret that is missing or withheld, and the failure names it', async ({ vault }) => {
    const { store, reader } = vault.process(OLD_KEY);
    await store.set(newSecret('CLOSED'));
    await store.set(newSecret('OPEN', VALUE, { untrustedOk: true }));
    await store.set(newSecret('r.example', LOGIN));
    await store.set(newSecret('git.a', { kind: 'git', token: 'token-a' }));
    expect(await failureOf(reader.read(wanted(['OPEN', 'NONE'])))).toEqual({
      code: 'secret_missing',
      message: `neither repo ${APP} nor team web has a secret NONE`,
    });
    expect(await failureOf(reader.read(wanted(['CLOSED'], 'untrusted')))).toEqual({
      code: 'secret_withheld',
      message: 'the build is untrusted, and the secret CLOSED is not for untrusted builds',
    });
    expect(await reader.read(wanted(['OPEN'], 'untrusted'))).toMatchObject({
      values: new Map([['open', 'hunter22']]),
      logins: [],
      hidden: [],
    });
    const why = (await reader.refusals(wanted(['CLOSED', 'OPEN', 'NONE'], 'untrusted'))).map((one) => one.why);
    expect(why).toEqual(['withheld', 'missing']);
  });

  test('gets one whole value while it is being replaced', async ({ vault }) => {
    const { store, reader } = vault.process(OLD_KEY);
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
      const value = (await reader.read(wanted(['NPM']))).values.get('npm') ?? '';
      expect(value).toMatch(/^v\d+$/);
      got.add(value);
      // The secret either opens or is withheld at the time.
      const untrusted = await reader.read(wanted(['NPM'], 'untrusted')).catch(({ failure }) => failure);
      expect(untrusted.code ?? Number(untrusted.values.get('npm').slice(1)) % 2).toBeOneOf([0, 'secret_withheld']);
    }
    expect(got.size).toBeGreaterThan(1);
  });
});
