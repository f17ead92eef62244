import { describe, expect, test } from 'vitest';
import { openState, type State } from '../open-state.ts';
import { SealBroken } from '../secrets/sealer.ts';
import { eachTestPool } from '../testing/each-pool.ts';
import { newBuild, type TestPool } from '../testing/test-pool.ts';

const LOGINS = [{ registry: 'r.example', username: 'ada', password: 'hunter22' }];
const SUCCEEDED = { end: 'succeeded' } as const;
const LOST = { end: 'failed', failure: { code: 'infrastructure', message: 'lost' } } as const;

let pool: TestPool;
eachTestPool('client-logins', (opened) => {
  pool = opened;
});

const submit = async (more = {}) => (await pool.submit({ registryLogins: LOGINS, ...more })).id;
const isKept = async (id: string) => (await pool.state.redis.exists(pool.state.keys.logins(id))) === 1;
const withKeys = (...bytes: number[]) =>
  openState({
    redisUrl: pool.url,
    namespace: pool.state.keys.prefix.slice(1, -2),
    secretKey: bytes.map((byte) => Buffer.alloc(32, byte)),
    onError: () => {},
  });

describe('the registry logins of a build’s client', () => {
  test('are only stored sealed, and not where the build’s secrets open', async () => {
    const id = await submit({ secrets: { a: 'hunter33' } });
    expect(await pool.state.builds.loginsOf(id)).toEqual(LOGINS);
    const { redis, keys } = pool.state;
    const stored = await Promise.all((await redis.keys(`${keys.prefix}*`)).map((key) => redis.dumpBuffer(key)));
    expect(stored.join('')).not.toMatch(/hunter/);
    await redis.copy(keys.secrets(id), keys.logins(id), 'REPLACE');
    await expect(pool.state.builds.loginsOf(id)).rejects.toThrow(SealBroken);
  });

  test('stay for another attempt, and are deleted when the build has ended', async () => {
    const id = await submit();
    await pool.settle(await pool.run(id), LOST);
    expect(await pool.state.builds.loginsOf(id)).toEqual(LOGINS);
    await pool.lose(await pool.run(id));
    expect(await isKept(id)).toBe(true);
    await pool.settle(await pool.run(id), SUCCEEDED);
    expect(await isKept(id)).toBe(false);
    expect(await pool.state.builds.loginsOf(id)).toBeUndefined();
  });

  test('are deleted when the build is canceled, superseded, or ends with the run that it shares', async () => {
    const canceled = await submit();
    await pool.state.builds.cancel(canceled);
    const keyed = { concurrencyKey: 'main', supersede: 'queued' } as const;
    const older = await submit(keyed);
    await submit(keyed);
    const run = await submit({ dedupe: true });
    const shares = await pool.submit({ registryLogins: LOGINS, dedupe: true });
    expect(shares.sharedRun).toBe(run);
    await pool.settle(await pool.run(run), SUCCEEDED);
    await pool.state.followUps.run();
    for (const id of [canceled, older, run, shares.id]) expect([id, await isKept(id)]).toEqual([id, false]);
  });

  test('are part of what makes builds identical', async () => {
    await submit({ dedupe: true });
    const other = [{ registry: 'r.example', username: 'ada', password: 'hunter33' }];
    expect((await pool.submit({ registryLogins: other, dedupe: true })).sharedRun).toBeUndefined();
  });

  test('are resealed with the first key', async () => {
    const id = await submit();
    await using both = await withKeys(2, 1);
    expect((await both.resealer.run()).builds).toEqual({ resealed: 1, current: 0, unreadable: 0 });
    await using after: State = await withKeys(2);
    expect(await after.builds.loginsOf(id)).toEqual(LOGINS);
  });

  test('are none for a build whose client sent none, or whose logins are ignored', async () => {
    expect(await pool.state.builds.loginsOf((await pool.submit()).id)).toEqual([]);
    const { spec, ...build } = newBuild({});
    const clientLogins = { registries: ['r.example'], ignored: 'off' as const };
    const ignored = await pool.state.builds.accept({ ...build, spec: { ...spec, clientLogins } });
    expect(await pool.state.builds.loginsOf(ignored.build.record.id)).toEqual([]);
  });
});
