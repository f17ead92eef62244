import type { HostTask } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { isSaveForSeed, measuredOf, type SaveForSeed, stageOf, transferId } from './transfer.ts';

const MINUTE = 60_000;
const SEED_AFTER = { task: 's', host: 'b', repo: 'app', domain: 'trusted', bytes: 9, expectedMs: 1_000, warmth: 1 };
const ORDER = { type: 'save', repo: 'app', domain: 'trusted', snapshot: 'x', seedAfter: SEED_AFTER } as const;
const save = (more: Partial<HostTask> = {}) =>
  ({ id: '1', host: 'a', order: ORDER, state: 'waiting', createdAt: 0, ...more }) as SaveForSeed;
const seed = (more: Partial<HostTask> = {}): HostTask => ({
  ...{ id: 's', host: 'b', order: { type: 'seed', repo: 'app', domain: 'trusted', snapshot: 'x' } },
  ...{ state: 'waiting', createdAt: 0, ...more },
});

test.each([
  ['saving', save(), undefined, 0],
  ['saving', save({ state: 'running' }), undefined, 0],
  ['failed', save({ state: 'failed', endedAt: 1 }), undefined, 1],
  ['saved', save({ state: 'succeeded', endedAt: 1 }), undefined, 2],
  ['failed', save({ state: 'succeeded', endedAt: 1 }), undefined, 2 + 10 * MINUTE],
  ['seeding', save({ state: 'succeeded', endedAt: 1 }), seed(), 2],
  ['arrived', save({ state: 'succeeded', endedAt: 1 }), seed({ state: 'succeeded' }), 99 * MINUTE],
  ['failed', save({ state: 'succeeded', endedAt: 1 }), seed({ state: 'failed' }), 2],
  ['failed', save({ state: 'running' }), undefined, 11 * MINUTE],
] as const)('a transfer is %s by its tasks and their age', (stage, first, second, now) => {
  expect(stageOf({ save: first, seed: second }, now)).toBe(stage);
});

test('a save that an operator ordered is no transfer', () => {
  const { seedAfter: _, ...plain } = ORDER;
  expect([isSaveForSeed(save()), isSaveForSeed({ ...save(), order: plain }), isSaveForSeed(seed())]).toEqual([
    ...[true, false, false],
  ]);
});

test('only what ended well is measured', () => {
  const ended = { state: 'succeeded', startedAt: 10, endedAt: 30, result: { bytes: 5 } } as const;
  expect(measuredOf({ save: save(ended), seed: seed({ ...ended, state: 'failed' }) })).toEqual([
    { kind: 'save', bytes: 5, ms: 20 },
  ]);
});

test('ids of a transfer are the same for a while, as a task’s id has to look, and differ by part and route', () => {
  const id = transferId('save', ['app', 'a', 'app', 'b'], 5 * MINUTE);
  expect(id).toMatch(/^[0-9a-hjkmnp-tv-z]{26}$/);
  expect(transferId('save', ['app', 'a', 'app', 'b'], 6 * MINUTE)).toBe(id);
  expect(transferId('save', ['app', 'a', 'app', 'b'], 10 * MINUTE)).not.toBe(id);
  expect(transferId('seed', ['app', 'a', 'app', 'b'], 5 * MINUTE)).not.toBe(id);
  expect(transferId('save', ['app', 'a', 'app', 'c'], 5 * MINUTE)).not.toBe(id);
});
