import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FIRST_GUESS } from '../estimates/estimates.ts';
import { KNOWN_SPREAD } from '../estimates/residual.ts';
import { PoolHost, type Running } from '../pool/pool-host.ts';
import { PoolRepo } from '../pool/pool-repo.ts';
import { SlotTimeline } from './slot-timeline.ts';

const repo = new PoolRepo('app', FIRST_GUESS);
const NOW = 1_000_000;

/** A host on which builds of these weights begin now, each expected to run so many ms. */
function hostWith(slots: number, ...running: readonly (readonly [weight: number, expectedMs: number])[]): PoolHost {
  const view = { name: 'h', slots, platforms: [], labels: {}, trust: [], cordoned: false, draining: false };
  const host = new PoolHost(view);
  running.forEach(([weight, expectedMs], i) => {
    const run: Running = {
      build: `r${i}`,
      repo,
      host,
      team: '',
      weight,
      startedAt: NOW,
      warmth: 1,
      cacheVersion: undefined,
      expectedMs,
      spread: KNOWN_SPREAD,
    };
    host.running.set(run.build, run);
  });
  return host;
}
const timeline = (slots: number, ...running: readonly (readonly [number, number])[]) =>
  new SlotTimeline(hostWith(slots, ...running), NOW);

describe('the predicted free slots', () => {
  test('come free as the runs under way are expected to end', () => {
    const slots = timeline(4, [1, 30_000], [2, 50_000]);
    expect([1, 2, 3, 4, 5].map((weight) => slots.start(weight, NOW) - NOW)).toEqual([
      0,
      30_000,
      50_000,
      50_000,
      Number.POSITIVE_INFINITY,
    ]);
    expect(slots.start(1, NOW + 5)).toBe(NOW + 5);
    expect(slots.freeNow).toBe(1);
  });

  test('come free in the future even if a run is overdue', () => {
    const host = hostWith(1, [1, 10_000]);
    expect(new SlotTimeline(host, NOW + 60_000).start(1, NOW)).toBeGreaterThan(NOW + 60_000);
  });

  test('are taken from those that come free last before the start', () => {
    const slots = timeline(2, [1, 30_000]);
    slots.take(1, NOW + 40_000, 10_000);
    expect(slots.freeNow).toBe(1);
    expect(slots.start(2, NOW)).toBe(NOW + 50_000);
    slots.take(1, NOW, 5_000);
    expect(slots.freeNow).toBe(0);
    expect(slots.start(1, NOW)).toBe(NOW + 5_000);
  });

  test('include no slot that was given to a run of zero length', () => {
    const slots = timeline(1);
    slots.take(1, NOW, 0);
    expect(slots.freeNow).toBe(0);
    expect(slots.start(1, NOW)).toBeGreaterThan(NOW);
  });

  test('are none until a host that runs more builds than it has slots has finished the excess', () => {
    const slots = timeline(1, [1, 10_000], [1, 20_000], [1, 30_000]);
    expect(slots.start(1, NOW)).toBe(NOW + 30_000);
    expect(slots.start(2, NOW)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('slots reserved for a wide build', () => {
  test('may be used once by a build that ends before', () => {
    const slots = timeline(2, [1, 30_000]);
    slots.take(2, NOW + 30_000, 60_000);
    expect([slots.freeNow, slots.hasGap]).toEqual([0, true]);
    expect(slots.gap(1, 30_000)).toBe(true);
    expect(slots.gap(1, 30_001)).toBe(false);
    expect(slots.gap(2, 10_000)).toBe(false);
    slots.takeGap(1, 30_000);
    expect([slots.gap(1, 1_000), slots.hasGap]).toEqual([false, false]);
  });

  test('are none if it waits for slots that are all busy', () => {
    const slots = timeline(2, [1, 30_000], [1, 20_000]);
    slots.take(2, NOW + 30_000, 60_000);
    expect(slots.hasGap).toBe(false);
  });
});

test('never gives out more slots at a time than the host has', () => {
  const weight = fc.integer({ min: 1, max: 3 });
  const ms = fc.integer({ min: 1_000, max: 90_000 });
  const runs = fc.array(fc.tuple(weight, ms), { maxLength: 6 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), runs, runs, (slots, running, wanted) => {
      const used = running.reduce((sum, [taken]) => sum + taken, 0);
      fc.pre(used <= slots);
      const host = timeline(slots, ...running);
      const taken = running.map(([taken, runMs]) => ({ weight: taken, from: NOW, until: NOW + runMs }));
      for (const [weight, runMs] of wanted) {
        const inGap = host.freeNow < weight && host.gap(weight, runMs);
        const start = inGap ? NOW : host.start(weight, NOW);
        if (start === Number.POSITIVE_INFINITY) continue;
        if (inGap) host.takeGap(weight, runMs);
        else host.take(weight, start, runMs);
        taken.push({ weight, from: start, until: start + runMs });
      }
      for (const { from } of taken) {
        const at = taken.filter((one) => one.from <= from && from < one.until);
        expect(at.reduce((sum, one) => sum + one.weight, 0)).toBeLessThanOrEqual(slots);
      }
    }),
  );
});
