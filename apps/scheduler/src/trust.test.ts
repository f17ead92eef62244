import { cacheKey, type Trust } from '@kiln/domain';
import { describe, expect } from 'vitest';
import { learnUsage, publishCaches } from './testing/caches.ts';
import { test, until } from './testing/scheduler-pool.ts';

const BOTH: readonly Trust[] = ['trusted', 'untrusted'];
const TRUSTED = { trust: 'trusted' } as const;
const UNTRUSTED = { trust: 'untrusted' } as const;

describe('trust classes', () => {
  test('are placed on hosts that take them, and the decision rules the others out', async ({ pool }) => {
    pool.start();
    await Promise.all([
      pool.join('apart', { slots: 4, trust: ['untrusted'] }),
      pool.join('own', { slots: 4, trust: ['trusted'] }),
    ]);
    const ids = [];
    for (const submission of [UNTRUSTED, TRUSTED, UNTRUSTED, TRUSTED]) ids.push(await pool.submit({}, submission));
    expect(await Promise.all(ids.map((id) => pool.placed(id)))).toEqual(['apart', 'own', 'apart', 'own']);
    const [decision] = await pool.state.builds.decisions(ids[0] ?? '');
    expect(decision?.considered).toContainEqual(expect.objectContaining({ host: 'own', verdict: 'trust_missing' }));
  });

  test('that no host takes wait with that reason until one does', async ({ pool }) => {
    pool.start();
    await Promise.all(['a', 'b'].map((name) => pool.join(name, { slots: 4, trust: ['trusted'] })));
    const id = await pool.submit({}, UNTRUSTED);
    expect(await pool.placed(await pool.submit({}, TRUSTED))).toMatch(/^[ab]$/);
    const waits = await until(
      async () => (await pool.state.builds.decisions(id)).find(({ reason }) => reason === 'none_untrusted'),
      (decision) => decision !== undefined,
    );
    expect(waits).toMatchObject({ host: null, attempt: 1 });
    expect((await pool.record(id)).state).toBe('queued');
    // The same worker, which has started a builder for the other class.
    await pool.join('a', { slots: 4, trust: BOTH });
    expect(await pool.placed(id)).toBe('a');
  });

  test('other than trusted are kept from a host whose worker doesn’t report any', async ({ pool }) => {
    pool.start();
    await pool.join('old', { slots: 4 });
    const id = await pool.submit({}, UNTRUSTED);
    expect(await pool.placed(await pool.submit({}, TRUSTED))).toBe('old');
    await pool.decided(id, 'none_untrusted');
  });

  test('don’t make each other warm, though their builds are of one repo', async ({ pool }) => {
    pool.start();
    await Promise.all(['a', 'b'].map((name) => pool.join(name, { slots: 4, trust: BOTH })));
    const keys = { a: 'app', b: cacheKey({ repo: 'app', team: 'default', trust: 'untrusted' }) };
    for (const [host, key] of Object.entries(keys)) {
      await learnUsage(pool, host, key, { [`of ${key}//go`]: 100 });
      await publishCaches(pool, host, { [`of ${key}//go`]: 100 });
    }
    const ids = [await pool.submit({}, TRUSTED), await pool.submit({}, UNTRUSTED)];
    expect(await Promise.all(ids.map((id) => pool.placed(id)))).toEqual(['a', 'b']);
    for (const id of ids) {
      const [decision] = await pool.state.builds.decisions(id);
      expect(decision?.considered.map(({ warmth }) => warmth)).toEqual([1, 0]);
    }
  });
});
