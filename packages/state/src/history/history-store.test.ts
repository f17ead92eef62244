import { type BuildFilter, logKey } from '@kiln/contracts';
import { describe, expect, test } from 'vitest';
import { recordStamp } from '../builds/write.ts';
import { BLOB, endedBuild, HOLDER, LATER, shrinkAll } from '../testing/archive.ts';
import { eachTestPool } from '../testing/each-pool.ts';
import { newBuild, type TestPool } from '../testing/test-pool.ts';
import { HistoryClaimLost } from './history-store.ts';

const MOST_BYTES_EACH = 1_500;

let pool: TestPool;
eachTestPool('history', (opened) => {
  pool = opened;
});

async function listed(filter: BuildFilter): Promise<unknown[]> {
  const { builds } = await pool.state.builds.list(filter, { limit: 100 });
  return builds.map(({ record, spec }) => ({ record, spec }));
}

describe('shrinking', () => {
  test('changes nothing that lists and reads show, and leaves no key of the build', async () => {
    const ids = [await endedBuild(pool), await endedBuild(pool, { team: 'other' })];
    const { id: queued } = await pool.submit();
    const filters: BuildFilter[] = [
      {},
      { state: 'succeeded' },
      { team: 'other' },
      { repo: 'app' },
      { state: 'queued' },
    ];
    const before = await Promise.all(filters.map(listed));
    expect(await shrinkAll(pool)).toBe(2);
    expect(await Promise.all(filters.map(listed))).toEqual(before);
    for (const id of ids) {
      expect((await pool.state.builds.get(id))?.archived).toMatchObject({ blob: BLOB, isCut: false });
      const { redis: connection, keys } = pool.state;
      expect(
        (await connection.keys(`${keys.prefix}*`)).filter((key) => key.includes(id) && !key.includes(':log:')),
      ).toEqual([]);
    }
    expect((await pool.state.builds.get(queued))?.archived).toBeUndefined();
  });

  test('puts everything about a build except secrets into its document', async () => {
    const id = await endedBuild(pool, { secrets: { npm: 'hunter22-hunter22' } });
    const [build] = await pool.state.history.read([id]);
    const { record, spec } = (await pool.state.builds.get(id)) ?? {};
    const decisions = await pool.state.builds.decisions(id);
    expect(decisions).toHaveLength(1);
    expect(JSON.parse(build?.document ?? '')).toEqual({ record, spec, decisions });
    const sealed = await pool.state.redis.get(pool.state.keys.secrets(id));
    await shrinkAll(pool);
    const packed = await pool.state.redis.hgetBuffer(pool.state.keys.history(), id);
    for (const secret of ['hunter22', sealed ?? 'none']) {
      expect(build?.document).not.toContain(secret);
      expect(packed?.toString('latin1')).not.toContain(secret);
    }
    // A retry still finds them until they expire.
    expect(await pool.state.builds.secretsOf(id)).toEqual({ npm: 'hunter22-hunter22' });
    expect(await pool.state.redis.pttl(pool.state.keys.secrets(id))).toBeGreaterThan(0);
    await pool.state.redis.del(pool.state.keys.secrets(id));
    expect(await pool.state.builds.secretsOf(id)).toBeUndefined();
  });

  test('leaves the answers to late calls about an ended build as they were', async () => {
    const { id } = await pool.submit();
    const ref = await pool.run(id);
    const settled = await pool.settle(ref, { end: 'succeeded' });
    await shrinkAll(pool);
    expect(await pool.state.builds.cancel(id)).toMatchObject({
      outcome: 'already_finished',
      build: { record: settled },
    });
    expect(await pool.settle(ref, { end: 'succeeded' })).toEqual(settled);
    await expect(pool.state.attempts.start(ref)).rejects.toThrow('no longer live');
    await expect(pool.state.logs.append(ref, 1, ['{}'])).rejects.toThrow('no longer live');
    const idempotency = { space: 'request' as const, key: 'k', fingerprint: 'f' };
    const first = await pool.state.builds.accept({ ...newBuild({}), idempotency });
    await pool.state.builds.cancel(first.build.record.id);
    await shrinkAll(pool);
    const again = await pool.state.builds.accept({ ...newBuild({}), idempotency });
    expect(again).toMatchObject({
      replayed: true,
      build: { record: { id: first.build.record.id, state: 'canceled' } },
    });
  });

  test('never hides a build from readers', async () => {
    const ids = await Promise.all(Array.from({ length: 60 }, () => endedBuild(pool)));
    let isDone = false;
    const missed: string[] = [];
    let reads = 0;
    const reading = async () => {
      while (!isDone) {
        for (const id of ids) if (!(await pool.state.builds.get(id))) missed.push(id);
        const page = await pool.state.builds.list({}, { limit: 100 });
        if (page.builds.length !== ids.length) missed.push('of a list');
        reads += 1;
      }
    };
    const readers = [reading(), reading()];
    const { history } = pool.state;
    await history.claim(HOLDER);
    for (const build of await history.read(ids)) {
      await history.shrink(HOLDER, [{ ...build, place: { blob: BLOB, start: 0, bytes: 1 } }]);
    }
    isDone = true;
    await Promise.all(readers);
    expect([missed, reads > 0]).toEqual([[], true]);
  });

  test('needs the claim, which one process at a time has until it releases it', async () => {
    await endedBuild(pool);
    const { history, redis: connection, keys } = pool.state;
    expect([await history.claim('a'), await history.claim('b')]).toEqual([true, false]);
    await expect(shrinkAll(pool, 'b')).rejects.toThrow(HistoryClaimLost);
    expect(await connection.pttl(keys.historyClaim())).toBeGreaterThan(0);
    await history.release('b');
    expect(await history.claim('b')).toBe(false);
    await history.release('a');
    const [late] = await history.read((await history.ended(LATER, 0, 1)).map(({ id }) => id));
    expect(await shrinkAll(pool, 'b')).toBe(1);
    const place = { blob: 'history/another', start: 0, bytes: 1 };
    await expect(history.shrink('a', late ? [{ ...late, place }] : [])).rejects.toThrow(HistoryClaimLost);
  });

  test('skips builds that run or have changed since they were read, and counts those of an earlier call', async () => {
    const { history } = pool.state;
    const { id: running } = await pool.submit();
    await pool.run(running);
    const id = await endedBuild(pool);
    const [build] = await history.read([id]);
    const [live] = await history.read([running]);
    if (!build || !live) throw new Error('not read');
    const place = { blob: BLOB, start: 0, bytes: 1 };
    await history.claim(HOLDER);
    expect(await history.shrink(HOLDER, [{ ...live, place }])).toBe(0);
    expect(await history.shrink(HOLDER, [{ ...build, stamp: build.stamp.replace(/^\d+/, '1'), place }])).toBe(0);
    expect((await pool.state.builds.get(id))?.archived).toBeUndefined();
    // The first answer may be lost.
    expect(await history.shrink(HOLDER, [{ ...build, place }])).toBe(1);
    expect(await history.shrink(HOLDER, [{ ...build, place }])).toBe(1);
    expect(await history.shrink(HOLDER, [{ ...build, place: { ...place, start: 7 } }])).toBe(0);
    expect((await pool.state.builds.get(id))?.archived?.start).toBe(0);
  });

  test('skips a run whose end other builds still have to take over', async () => {
    const run = (await pool.submit({ dedupe: true })).id;
    const ref = await pool.run(run);
    const { followUps, history } = pool.state;
    const [before] = await history.read([run]);
    // The run of an upload can be shared after it has begun.
    const sharer = await pool.submit({ dedupe: true });
    expect(sharer.sharedRun).toBe(run);
    await pool.settle(ref, { end: 'succeeded', result: { digest: 'sha256:d', pushed: ['a:1'] } });
    expect(before && (await history.read([run]))).toEqual([]);
    await history.claim(HOLDER);
    const place = { blob: BLOB, start: 0, bytes: 1 };
    const { redis: connection, keys } = pool.state;
    const [rev = '', doc = ''] = (await connection.hmget(keys.build(run), 'rev', 'doc')) as string[];
    const stamp = recordStamp(Number(rev), doc);
    expect(await history.shrink(HOLDER, [{ id: run, stamp, doc, spec: before?.spec ?? '', place }])).toBe(0);
    await followUps.run();
    expect(await shrinkAll(pool)).toBe(2);
    expect((await pool.record(sharer.id)).result).toEqual({ digest: 'sha256:d', pushed: ['a:1'] });
  });
});

describe('the memory of an ended build', () => {
  test(`is at most ${MOST_BYTES_EACH} bytes, with its indexes, its idempotency key and the charge of its log`, async () => {
    const count = 600;
    const { redis: connection, keys, builds } = pool.state;
    const used = async () => Number(/used_memory:(\d+)/.exec(await connection.info('memory'))?.[1]);
    // Keys that exist only once don't count.
    await endedBuild(pool);
    await shrinkAll(pool);
    const events = await connection.memory('USAGE', keys.events());
    const before = await used();
    for (let i = 0; i < count; i += 1) {
      const more = {
        idempotency: { space: 'request' as const, key: `k${i}`, fingerprint: 'f'.repeat(64) },
        repo: `github.com/team/app${i % 5}`,
      };
      const source = { type: 'git', url: `https://github.com/team/app${i % 5}.git`, ref: 'main' } as const;
      const { build } = await builds.accept({ ...newBuild({ source, buildArgs: { N: `${i}` } }), ...more });
      const ref = await pool.run(build.record.id);
      await pool.settle(ref, { end: 'succeeded', steps: { total: 9, cached: 4 }, result: { digest: `sha256:${i}` } });
      // As after its log was archived.
      const { id, team } = build.record;
      await pool.state.logs.markArchived(id, 1);
      await connection.del(keys.log(id, 1));
      await pool.state.storage.charge(logKey(id, 1), 4_096, [{ team }]);
    }
    const whole = await used();
    expect(await shrinkAll(pool)).toBe(count);
    const grown = Number(await connection.memory('USAGE', keys.events())) - Number(events);
    const each = ((await used()) - before - grown) / count;
    expect(each).toBeLessThan(MOST_BYTES_EACH);
    expect((whole - before - grown) / count).toBeGreaterThan(2 * each);
  });
});
