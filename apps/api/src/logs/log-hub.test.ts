import { describe, expect, test } from 'vitest';
import { ticks, until } from '../testing/fake-pool.ts';
import { outputs, watchedPool } from '../testing/watched-pool.ts';

describe('the hub', () => {
  test('shares one tail, and its bytes, among fifty watchers of a live log', async () => {
    const it = watchedPool({ ringChars: 1e6 });
    it.begin();
    const all = Array.from({ length: 50 }, async () => {
      const got: Buffer[] = [];
      for await (const chunk of it.follow()) got.push(chunk.sse());
      return got;
    });
    let mostTails = 0;
    for (let i = 0; i < 20; i += 1) {
      it.pool.append(1, outputs(3));
      await ticks(3);
      mostTails = Math.max(mostTails, it.pool.tails);
    }
    it.succeed(1);
    const [first = [], ...others] = await Promise.all(all);
    expect(mostTails).toBe(1);
    expect(it.pool.reads).toBeLessThan(5);
    for (const got of others) {
      expect(got).toHaveLength(first.length);
      for (const [i, bytes] of got.entries()) expect(bytes).toBe(first[i]);
    }
  });

  test('shares pages among watchers of an ended log', async () => {
    const it = watchedPool({ pageChars: 1e6 });
    const attempt = it.begin();
    for (let i = 0; i < 40; i += 1) it.pool.append(attempt, outputs(5));
    it.succeed(attempt);
    const all = await Promise.all(Array.from({ length: 50 }, () => it.ids()));
    for (const ids of all) expect(ids).toHaveLength(201);
    expect(it.pool.reads).toBeLessThan(20);
    expect(it.pool.tails).toBe(0);
  });

  test('reads no further than the foremost watcher needs', async () => {
    const it = watchedPool();
    const attempt = it.begin();
    for (let i = 0; i < 100; i += 1) it.pool.append(attempt, outputs(2));
    const watcher = it.follow();
    const first = (await watcher.next()).value;
    await ticks(50);
    const second = (await watcher.next()).value;
    expect(first?.firstSeq).toBe(1);
    expect(second?.firstSeq).toBe((first?.lastSeq ?? 0) + 1);
    await watcher.return(undefined);
    await until(() => it.hub.size === 0 && it.pool.tails === 0);
  });

  test('keeps nothing of a watcher that leaves while it waits', async () => {
    const it = watchedPool();
    it.begin();
    const watching = it.ids();
    await until(() => it.pool.tails === 1);
    it.stop.abort();
    expect(await watching).toEqual([]);
    await until(() => it.hub.size === 0 && it.pool.tails === 0);
  });
});

describe('following a build', () => {
  test('yields an end that is made for a build that was canceled while queued', async () => {
    const it = watchedPool();
    const watching = it.ids();
    it.pool.apply({ type: 'cancel' });
    expect(await watching).toEqual(['1.1']);
    expect(await it.ids({ attempt: 1, seq: 1 })).toEqual([]);
  });

  test('yields an end that is made for a build that was canceled before its second attempt', async () => {
    const it = watchedPool();
    const attempt = it.begin();
    const watching = it.ids();
    it.pool.append(attempt, outputs(2));
    it.lose(attempt);
    it.pool.apply({ type: 'cancel' });
    expect(await watching).toEqual(['1.1', '1.2', '1.3', '2.1']);
    expect(await it.ids({ attempt: 2, seq: 1 })).toEqual([]);
    expect(await it.ids({ attempt: 1, seq: 3 })).toEqual(['2.1']);
  });

  test('yields an end from the build’s record if Redis lost the log’s end', async () => {
    const it = watchedPool();
    const attempt = it.begin();
    it.pool.append(attempt, outputs(2));
    it.succeed(attempt);
    it.pool.streams.get(attempt)?.pop();
    expect(await it.ids()).toEqual(['1.1', '1.2', '1.3']);
  });

  test('waits for nothing without follow', async () => {
    const it = watchedPool();
    expect(await it.ids(undefined, 0, { follow: false })).toEqual([]);
    const attempt = it.begin();
    it.pool.append(attempt, outputs(2));
    expect(await it.ids(undefined, 0, { follow: false })).toEqual(['1.1', '1.2']);
    it.lose(attempt);
    expect(await it.ids(undefined, 0, { follow: false })).toEqual(['1.1', '1.2', '1.3']);
  });

  test('yields only one attempt on request', async () => {
    const it = watchedPool();
    it.lose(it.begin());
    const second = it.begin();
    it.pool.append(second, outputs(1));
    it.succeed(second);
    expect(await it.ids({ attempt: 1, seq: 0 }, 0, { only: 1 })).toEqual(['1.1']);
    expect(await it.ids({ attempt: 2, seq: 0 }, 0, { only: 2 })).toEqual(['2.1', '2.2']);
  });
});

describe('a live reader', () => {
  test('that fails resumes where it was', async () => {
    const it = watchedPool();
    const { logs } = it.pool;
    const open = logs.openTail;
    let failures = 2;
    logs.openTail = (...where) => {
      if (failures-- > 0) throw new Error('no connection');
      return open(...where);
    };
    const attempt = it.begin();
    const watching = it.ids();
    it.pool.append(attempt, outputs(3));
    await until(() => failures < 0);
    it.succeed(attempt);
    expect(await watching).toEqual(['1.1', '1.2', '1.3', '1.4']);
  });

  test('never skips a missing record', async () => {
    const it = watchedPool();
    const attempt = it.begin();
    const watching = it.ids();
    it.pool.append(attempt, outputs(2));
    it.pool.streams.get(attempt)?.push({ firstSeq: 5, lines: ['{"t":1,"type":"note","message":"x"}'] });
    it.pool.append(attempt, outputs(1));
    await expect(watching).rejects.toMatchObject({ code: 'log_gap' });
  });
});
