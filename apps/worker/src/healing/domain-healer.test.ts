import type { BuilderFault, BuilderState, RepairAction, RepairLimits } from '@kiln/domain';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DomainHealer, type DomainHealerDeps } from './domain-healer.ts';
import { HealingLedger } from './healing-ledger.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} } as never;
const LIMITS: RepairLimits = { perDay: 3, backoffMs: 1_000 };
const ALL: readonly RepairAction[] = ['pruned', 'restarted', 'new_state'];
const DAY_MS = 24 * 3_600_000;
const fault = (state: BuilderState): BuilderFault => ({ state, message: `it is ${state}` });

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => void vi.useRealTimers());

/** A healer, with what it did in order. `heals`: the checks that succeed, counted from 1. */
async function healing({ heals = [], ...deps }: { heals?: readonly number[] } & Partial<DomainHealerDeps> = {}) {
  const did: string[] = [];
  let checks = 0;
  const ledger = await HealingLedger.open(undefined);
  const healer = new DomainHealer({
    ...{ domain: 'trusted', ledger, limits: LIMITS, log, now: Date.now },
    possible: (isUp) => (isUp ? ALL : ALL.slice(1)),
    async repair(action) {
      did.push(action ?? 'checked');
      checks += 1;
      if (!heals.includes(checks)) throw new Error('still broken');
    },
    quarantine: async (isQuarantined) => void did.push(isQuarantined ? 'away' : 'back'),
    onIncident: async () => undefined,
    ...deps,
  });
  const incidents = () => ledger.incidents.map(({ state, action }) => `${state} ${action}`);
  return { healer, ledger, did, incidents, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) };
}

test('quarantines the builder before it repairs it, and takes builds again after the trial build', async () => {
  const { healer, did, incidents, pass } = await healing({ heals: [1] });
  await healer.heal(fault('snapshot_missing'), true);
  expect(did[0]).toBe('away');
  await pass(0);
  expect(did).toEqual(['away', 'pruned', 'back']);
  expect(incidents()).toEqual(['snapshot_missing pruned']);
  expect(healer.isQuarantined).toBe(false);
});

test('repairs more and more thoroughly, later each time, until the builder works', async () => {
  const { healer, did, ledger, pass } = await healing({ heals: [3] });
  await healer.heal(fault('record_corrupt'), true);
  await pass(0);
  expect(did).toEqual(['away', 'pruned']);
  await pass(999);
  expect(did).toEqual(['away', 'pruned']);
  await pass(1);
  expect(did).toEqual(['away', 'pruned', 'restarted']);
  await pass(2_000);
  expect(did).toEqual(['away', 'pruned', 'restarted', 'new_state', 'back']);
  expect(ledger.incidents.map(({ message }) => message)).toEqual([
    'it did not help: still broken',
    'it did not help: still broken',
    'it got a new state; a trial build succeeded',
  ]);
});

test('doesn’t prune in a builder that doesn’t answer', async () => {
  const { healer, did, pass } = await healing({ heals: [1] });
  await healer.heal(fault('stuck'), false);
  await pass(0);
  expect(did).toEqual(['away', 'restarted', 'back']);
});

test.each<BuilderState>(['out_of_memory', 'down'])(
  'repairs nothing if the engine has started the daemon again by itself: %s',
  async (state) => {
    const { healer, did, ledger, incidents, pass } = await healing({ heals: [1] });
    await healer.heal(fault(state), false);
    await pass(0);
    expect(did).toEqual(['away', 'checked', 'back']);
    expect(incidents()).toEqual([`${state} restarted`]);
    expect(ledger.repairsOf('trusted')).toEqual([]);
  },
);

test('keeps a builder quarantined when the repairs of the day are used up, says so once, and goes on a day later', async () => {
  const { healer, did, incidents, pass } = await healing({ heals: [4] });
  await healer.heal(fault('disk_full'), true);
  await pass(3_600_000);
  expect(did).toEqual(['away', 'pruned', 'pruned', 'pruned']);
  expect(incidents().filter((text) => text === 'disk_full quarantined')).toHaveLength(1);
  expect(healer.isQuarantined).toBe(true);
  await pass(DAY_MS);
  expect(did).toEqual(['away', 'pruned', 'pruned', 'pruned', 'pruned', 'back']);
});

test('a builder that Kiln can’t repair is only checked, and taken back when it works again by itself', async () => {
  const { healer, did, incidents, pass } = await healing({ possible: () => [], heals: [2] });
  await healer.heal(fault('stuck'), false);
  await pass(1_800_000);
  await pass(1_800_000);
  expect(did).toEqual(['away', 'checked', 'checked', 'back']);
  expect(incidents()).toEqual(['stuck quarantined']);
});

test('heals a builder once, however many builds fail on it', async () => {
  const { healer, did, pass } = await healing({ heals: [1] });
  await Promise.all([healer.heal(fault('stuck'), false), healer.heal(fault('stuck'), false)]);
  await pass(0);
  expect(did).toEqual(['away', 'restarted', 'back']);
});

test('begins no repair any more after it was closed, and leaves the builder quarantined', async () => {
  const { healer, did, pass } = await healing();
  await healer.heal(fault('record_corrupt'), true);
  await pass(0);
  healer.close();
  await pass(DAY_MS);
  await healer.heal(fault('record_corrupt'), true);
  expect(did).toEqual(['away', 'pruned']);
});

test('repairs a builder although the quarantine and the incident can’t be reported', async () => {
  const no = () => Promise.reject(new Error('Redis is down'));
  const { healer, did, pass } = await healing({ heals: [1], quarantine: no, onIncident: no });
  await healer.heal(fault('snapshot_missing'), true);
  await pass(0);
  expect(did).toEqual(['pruned']);
  expect(healer.isQuarantined).toBe(false);
});

test('a repair that is cut short by the end of the worker counts in the budget of the next one', async () => {
  const { healer, ledger, pass } = await healing({ repair: () => new Promise(() => {}) });
  await healer.heal(fault('snapshot_missing'), true);
  await pass(0);
  expect(ledger.repairsOf('trusted')).toMatchObject([{ state: 'snapshot_missing', action: 'pruned' }]);
});
