import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PoolHost } from '../pool/pool-host.ts';
import { ColdWindow } from './cold-window.ts';

const FULL = Number.POSITIVE_INFINITY;
const hosts = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    const view = { name: `h${i}`, slots: 1, platforms: [], labels: {}, trust: [], cordoned: false, draining: false };
    return new PoolHost(view);
  });

test('holds the hosts with the least scores, however scores rise and hosts fill up', () => {
  const score = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constant(FULL));
  const rise = fc.record({ at: fc.nat(), by: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant(FULL)) });
  fc.assert(
    fc.property(
      fc.array(score, { maxLength: 12 }),
      fc.array(rise, { maxLength: 12 }),
      fc.integer({ min: 1, max: 5 }),
      (first, rises, size) => {
        const all = hosts(first.length);
        const scores = new Map(all.map((host, i) => [host, first[i] as number]));
        const scoreOf = (host: PoolHost) => scores.get(host) as number;
        const window = new ColdWindow(all, scoreOf, size);
        const check = () => {
          const best = [...scores.values()].filter((one) => one < FULL).sort((a, b) => a - b);
          expect(
            window
              .hosts()
              .map(scoreOf)
              .sort((a, b) => a - b),
          ).toEqual(best.slice(0, size));
        };
        check();
        for (const { at, by } of rises) {
          const host = all[at % Math.max(1, all.length)];
          if (!host) continue;
          scores.set(host, scoreOf(host) + by);
          window.changed(host);
          check();
        }
      },
    ),
  );
});
