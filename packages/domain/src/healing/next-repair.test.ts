import { expect, test } from 'vitest';
import type { BuilderState } from './builder-fault.ts';
import { type NextRepair, nextRepair, type Repair, type RepairAction } from './next-repair.ts';

const ALL: readonly RepairAction[] = ['pruned', 'restarted', 'new_state'];
const LIMITS = { perDay: 4, backoffMs: 1_000 };
const HOUR_MS = 3_600_000;

/** What is done if no repair helps, until there is none left, with the time of each. */
function inVain(state: BuilderState, possible = ALL): { readonly actions: string[]; readonly end: NextRepair } {
  const repairs: Repair[] = [];
  let now = 1_000_000;
  for (;;) {
    const next = nextRepair(repairs, state, possible, now, LIMITS);
    if (next.type === 'wait') return { actions: repairs.map(({ action }) => action), end: next };
    now += next.afterMs;
    repairs.push({ at: now, state, action: next.action });
  }
}

test('tries the mildest repair first and a new state last', () => {
  expect(inVain('content_missing').actions).toEqual(['pruned', 'restarted', 'new_state', 'new_state']);
  expect(inVain('stuck').actions).toEqual(['restarted', 'restarted', 'new_state', 'new_state']);
  expect(inVain('disk_full').actions).toEqual(['pruned', 'pruned', 'pruned', 'pruned']);
});

test('only prunes where the engine’s own BuildKit is the builder', () => {
  expect(inVain('snapshot_missing', ['pruned']).actions).toEqual(['pruned', 'pruned', 'pruned', 'pruned']);
  expect(inVain('stuck', ['pruned'])).toMatchObject({ actions: [], end: { type: 'wait', why: 'no_repair' } });
});

test('stops after the repairs of a day, and goes on when the oldest is a day old', () => {
  const { end } = inVain('down');
  expect(end).toEqual({ type: 'wait', untilMs: 1_000_000 + 24 * HOUR_MS, why: 'budget' });
  const repairs = [0, 1, 2, 3].map((at): Repair => ({ at, state: 'down', action: 'restarted' }));
  expect(nextRepair(repairs, 'down', ALL, 24 * HOUR_MS, LIMITS)).toMatchObject({ type: 'repair', afterMs: 0 });
});

test('waits longer before each further repair', () => {
  const at = (count: number) =>
    [...Array(count).keys()].map((): Repair => ({ at: 0, state: 'down', action: 'pruned' }));
  const delays = [0, 1, 2, 3].map((count) => nextRepair(at(count), 'down', ALL, 0, LIMITS));
  expect(delays).toMatchObject([{ afterMs: 0 }, { afterMs: 1_000 }, { afterMs: 2_000 }, { afterMs: 4_000 }]);
});

test('begins with the mildest repair again if the builder has worked for an hour', () => {
  const repairs: Repair[] = [{ at: 0, state: 'snapshot_missing', action: 'new_state' }];
  expect(nextRepair(repairs, 'snapshot_missing', ALL, HOUR_MS + 1, LIMITS)).toEqual({
    type: 'repair',
    action: 'pruned',
    afterMs: 0,
  });
});
