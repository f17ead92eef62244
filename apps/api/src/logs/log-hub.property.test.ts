import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ticks, until } from '../testing/fake-pool.ts';
import { outputs, WatchedPool } from '../testing/watched-pool.ts';

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
          await using it = new WatchedPool();
          const written: string[] = [];
          const total = attempts.reduce(
            (sum, { batches }) => sum + batches.reduce((n, { records }) => n + records, 1),
            0,
          );
          const watching = watchers.map(async ({ joinsAt, has, rest }) => {
            await until(() => written.length >= Math.floor(joinsAt * total));
            const seen = Math.floor(has * written.length);
            const [a = 1, seq = 0] = (written[seen - 1] ?? '1.0').split('.').map(Number);
            return { seen, ids: await it.ids({ attempt: a, seq }, rest) };
          });

          const upkeep: Promise<unknown>[] = [];
          for (const [i, { batches, archiveAfter, expireAfter, deaf }] of attempts.entries()) {
            const number = it.begin();
            for (const { records, pause, movers } of batches) {
              it.pool.append(number, outputs(records));
              // API processes move pieces while the log grows, without waiting for each other.
              for (let n = 0; n < movers; n += 1) upkeep.push(it.mover().round(0, it.stop.signal));
              for (let n = 0; n < records; n += 1)
                written.push(`${number}.${written.filter((id) => id.startsWith(`${number}.`)).length + 1}`);
              await ticks(pause);
            }
            it.pool.deaf = deaf;
            if (i < attempts.length - 1) it.lose(number);
            else it.succeed(number);
            it.pool.deaf = false;
            written.push(`${number}.${written.filter((id) => id.startsWith(`${number}.`)).length + 1}`);
            upkeep.push(
              (async () => {
                await ticks(archiveAfter);
                while (!it.pool.archived.has(number)) await it.archiver.round(it.stop.signal);
                await ticks(expireAfter);
                it.pool.expire(number);
              })(),
            );
          }
          await Promise.all(upkeep);
          for (const { seen, ids } of await Promise.all(watching)) expect(ids).toEqual(written.slice(seen));
          await until(() => it.hub.size === 0 && it.pool.tails === 0);
        },
      ),
      { numRuns: 150 },
    );
  });
});
