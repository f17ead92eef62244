import type { LogRecord } from '@kiln/contracts';
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BuildWatch } from '../builds/build-watch.ts';
import { FakePool, ticks, until } from '../testing/fake-pool.ts';
import { MemoryBlobs } from '../testing/memory-blobs.ts';
import { ArchivedLogs } from './archived-logs.ts';
import { followBuild } from './follow-build.ts';
import { LogArchiver } from './log-archiver.ts';
import { LogHub } from './log-hub.ts';
import { LogMover } from './log-mover.ts';
import { LogPages } from './log-pages.ts';
import { LogPieces } from './log-pieces.ts';

const INCARNATION = 'i';
const quiet = pino({ level: 'silent' });

/** A pool with one build, watched through budgets so small that everything overflows. */
class House implements AsyncDisposable {
  readonly pool = new FakePool();
  readonly blobs = new MemoryBlobs();
  readonly archiver = new LogArchiver(this.pool.logs, this.blobs, quiet);
  readonly archive = new ArchivedLogs(this.blobs);
  readonly watch = new BuildWatch(this.pool.builds, this.pool.events, 5);
  readonly hub: LogHub;
  readonly stop = new AbortController();

  constructor({ ringChars = 400, pageChars = 600, lingerMs = 0 } = {}) {
    const { builds, logs, events } = this.pool;
    const pages = new LogPages(logs, new LogPieces(logs, this.blobs), this.archive, pageChars);
    this.hub = new LogHub({ builds, logs, events, pages, ringChars, lingerMs, log: quiet });
  }

  mover(): LogMover {
    return new LogMover({ logs: this.pool.logs, blobs: this.blobs, log: quiet, now: () => 0 });
  }

  follow(from = { attempt: 1, seq: 0 }, { follow = true, only = undefined as number | undefined } = {}) {
    const { signal } = this.stop;
    return followBuild(this.hub, this.watch, { buildId: this.pool.id, from, only, follow, signal });
  }

  /** The ids of all records that a watcher gets, resting for `rest` turns of the event loop after each chunk. */
  async ids(from?: { attempt: number; seq: number }, rest = 0, options?: { follow?: boolean; only?: number }) {
    const ids: string[] = [];
    for await (const chunk of this.follow(from, options)) {
      for (let i = 0; i < chunk.lines.length; i += 1) ids.push(`${chunk.attempt}.${chunk.firstSeq + i}`);
      await ticks(rest);
    }
    return ids;
  }

  begin(): number {
    this.pool.apply({ type: 'assign', host: 'h', incarnation: INCARNATION });
    const attempt = this.pool.record.attempts.length;
    this.pool.apply({ type: 'start', attempt, incarnation: INCARNATION });
    return attempt;
  }

  lose(attempt: number): void {
    this.pool.apply({ type: 'lose', attempt, failure: { code: 'infrastructure', message: 'gone' } });
  }

  succeed(attempt: number): void {
    this.pool.apply({ type: 'finish', attempt, incarnation: INCARNATION, outcome: { end: 'succeeded' } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    await this.hub[Symbol.asyncDispose]();
    this.watch[Symbol.dispose]();
  }
}

function house(options?: ConstructorParameters<typeof House>[0]): House {
  const made = new House(options);
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made;
}

const output = (n: number): LogRecord => ({ t: n, type: 'output', step: 1, stream: 'stdout', data: `line ${n}\n` });
const outputs = (count: number) => Array.from({ length: count }, (_, i) => output(i));

describe('a log without gap, repeat or reordering', () => {
  const attempt = fc.record({
    batches: fc.array(fc.record({ records: fc.integer({ min: 1, max: 9 }), pause: fc.nat(4), movers: fc.nat(2) }), {
      maxLength: 25,
    }),
    archiveAfter: fc.nat(30),
    expireAfter: fc.nat(30),
    deaf: fc.boolean(),
  });
  const watcher = fc.record({
    /** Share of the whole log that has been written when the watcher joins. */
    joinsAt: fc.double({ min: 0, max: 1, noNaN: true }),
    /** Share of that which the watcher already has. */
    has: fc.double({ min: 0, max: 1, noNaN: true }),
    rest: fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.integer({ min: 20, max: 60 }) }),
  });

  test('gives a resuming reader exactly the rest, however slow it is, across attempts, ring, pages, pieces and archive', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(attempt, { minLength: 1, maxLength: 3 }),
        fc.array(watcher, { minLength: 1, maxLength: 8 }),
        async (attempts, watchers) => {
          await using made = new House();
          const written: string[] = [];
          const total = attempts.reduce(
            (sum, { batches }) => sum + batches.reduce((n, { records }) => n + records, 1),
            0,
          );
          const watching = watchers.map(async ({ joinsAt, has, rest }) => {
            await until(() => written.length >= Math.floor(joinsAt * total));
            const seen = Math.floor(has * written.length);
            const [a = 1, seq = 0] = (written[seen - 1] ?? '1.0').split('.').map(Number);
            return { seen, ids: await made.ids({ attempt: a, seq }, rest) };
          });

          const upkeep: Promise<unknown>[] = [];
          for (const [i, { batches, archiveAfter, expireAfter, deaf }] of attempts.entries()) {
            const number = made.begin();
            for (const { records, pause, movers } of batches) {
              made.pool.append(number, outputs(records));
              // API processes move pieces while the log grows, without waiting for each other.
              for (let n = 0; n < movers; n += 1) upkeep.push(made.mover().round(0, made.stop.signal));
              for (let n = 0; n < records; n += 1)
                written.push(`${number}.${written.filter((id) => id.startsWith(`${number}.`)).length + 1}`);
              await ticks(pause);
            }
            made.pool.deaf = deaf;
            if (i < attempts.length - 1) made.lose(number);
            else made.succeed(number);
            made.pool.deaf = false;
            written.push(`${number}.${written.filter((id) => id.startsWith(`${number}.`)).length + 1}`);
            upkeep.push(
              (async () => {
                await ticks(archiveAfter);
                while (!made.pool.archived.has(number)) await made.archiver.round(made.stop.signal);
                await ticks(expireAfter);
                made.pool.expire(number);
              })(),
            );
          }
          await Promise.all(upkeep);
          for (const { seen, ids } of await Promise.all(watching)) expect(ids).toEqual(written.slice(seen));
          await until(() => made.hub.size === 0 && made.pool.tails === 0);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('the hub', () => {
  test('shares one tail, and its bytes, among fifty watchers of a live log', async () => {
    const it = house({ ringChars: 1e6 });
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
    const it = house({ pageChars: 1e6 });
    const attempt = it.begin();
    for (let i = 0; i < 40; i += 1) it.pool.append(attempt, outputs(5));
    it.succeed(attempt);
    const all = await Promise.all(Array.from({ length: 50 }, () => it.ids()));
    for (const ids of all) expect(ids).toHaveLength(201);
    expect(it.pool.reads).toBeLessThan(20);
    expect(it.pool.tails).toBe(0);
  });

  test('reads no further than the foremost watcher needs', async () => {
    const it = house();
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
    const it = house();
    it.begin();
    const watching = it.ids();
    await until(() => it.pool.tails === 1);
    it.stop.abort();
    expect(await watching).toEqual([]);
    await until(() => it.hub.size === 0 && it.pool.tails === 0);
  });
});

describe('the end of a log', () => {
  test('is made for a build that was canceled while queued', async () => {
    const it = house();
    const watching = it.ids();
    it.pool.apply({ type: 'cancel' });
    expect(await watching).toEqual(['1.1']);
    expect(await it.ids({ attempt: 1, seq: 1 })).toEqual([]);
  });

  test('is made for a build that was canceled before its second attempt', async () => {
    const it = house();
    const attempt = it.begin();
    const watching = it.ids();
    it.pool.append(attempt, outputs(2));
    it.lose(attempt);
    it.pool.apply({ type: 'cancel' });
    expect(await watching).toEqual(['1.1', '1.2', '1.3', '2.1']);
    expect(await it.ids({ attempt: 2, seq: 1 })).toEqual([]);
    expect(await it.ids({ attempt: 1, seq: 3 })).toEqual(['2.1']);
  });

  test('is made from the build’s record if Redis lost it', async () => {
    const it = house();
    const attempt = it.begin();
    it.pool.append(attempt, outputs(2));
    it.succeed(attempt);
    it.pool.streams.get(attempt)?.pop();
    expect(await it.ids()).toEqual(['1.1', '1.2', '1.3']);
  });

  test('isn’t waited for without follow', async () => {
    const it = house();
    expect(await it.ids(undefined, 0, { follow: false })).toEqual([]);
    const attempt = it.begin();
    it.pool.append(attempt, outputs(2));
    expect(await it.ids(undefined, 0, { follow: false })).toEqual(['1.1', '1.2']);
    it.lose(attempt);
    expect(await it.ids(undefined, 0, { follow: false })).toEqual(['1.1', '1.2', '1.3']);
  });

  test('is that of the requested attempt', async () => {
    const it = house();
    it.lose(it.begin());
    const second = it.begin();
    it.pool.append(second, outputs(1));
    it.succeed(second);
    expect(await it.ids({ attempt: 1, seq: 0 }, 0, { only: 1 })).toEqual(['1.1']);
    expect(await it.ids({ attempt: 2, seq: 0 }, 0, { only: 2 })).toEqual(['2.1', '2.2']);
  });
});

describe('a reader', () => {
  test('that fails resumes where it was', async () => {
    const it = house();
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
    const it = house();
    const attempt = it.begin();
    const watching = it.ids();
    it.pool.append(attempt, outputs(2));
    it.pool.streams.get(attempt)?.push({ firstSeq: 5, lines: ['{"t":1,"type":"note","message":"x"}'] });
    it.pool.append(attempt, outputs(1));
    await expect(watching).rejects.toMatchObject({ code: 'log_gap' });
  });
});
