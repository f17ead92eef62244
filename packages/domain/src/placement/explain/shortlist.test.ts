import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PoolHost } from '../pool/pool-host.ts';
import { Shortlist, type Weighed } from './shortlist.ts';

const HOSTS = Array.from({ length: 8 }, (_, i) => {
  const view = { name: `h${i}`, slots: 1, platforms: [], labels: {}, trust: [], cordoned: false, draining: false };
  return new PoolHost(view);
});

const weighed = fc
  .record({
    host: fc.constantFrom(...HOSTS),
    // Few different costs, so that many are equal; `runMs` tells those apart.
    cost: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constant(Number.POSITIVE_INFINITY)),
    isChoice: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    runMs: fc.nat(),
  })
  .map((one): Weighed => ({ ...one, startAt: 0, warmth: 1 }));

/** Sorts all and takes each host's first. */
function sorted(all: readonly Weighed[], size: number): Weighed[] {
  const first = new Map<PoolHost, Weighed>();
  const order = [...all].sort((a, b) => Number(b.isChoice) - Number(a.isChoice) || compare(a.cost, b.cost));
  for (const one of order) if (!first.has(one.host)) first.set(one.host, one);
  return [...first.values()].slice(0, size);
}

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

test('lists what sorting all of them would list first, and turns away only what is not listed', () => {
  fc.assert(
    fc.property(fc.array(weighed, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), (all, size) => {
      const added = new Shortlist(size);
      const asked = new Shortlist(size);
      for (const one of all) {
        added.add(one);
        if (asked.admits(one.cost, one.isChoice)) asked.add(one);
      }
      expect(added.hosts).toEqual(sorted(all, size));
      expect(asked.hosts).toEqual(added.hosts);
    }),
  );
});
