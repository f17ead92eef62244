import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LastMoves } from './last-moves.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const MINUTE = 60_000;

function drained() {
  const quiet = vi.fn();
  return { moves: new LastMoves(quiet, 5_000), quiet };
}

test('a host without caches leaves as soon as its tasks have ended', () => {
  const { moves } = drained();
  expect(moves.areOver(true, false)).toBe(false);
  expect(moves.areOver(false, false)).toBe(true);
});

test('a host with caches waits for tasks, and after each for another one', () => {
  const { moves, quiet } = drained();
  expect(moves.areOver(false, true)).toBe(false);
  vi.advanceTimersByTime(4_000);
  moves.mayFollow();
  expect(moves.areOver(false, true)).toBe(false);
  vi.advanceTimersByTime(4_000);
  expect([quiet.mock.calls.length, moves.areOver(false, true)]).toEqual([0, false]);
  vi.advanceTimersByTime(1_000);
  expect([quiet.mock.calls.length, moves.areOver(false, true)]).toEqual([1, true]);
});

test('a task that never ends keeps the host for a quarter of an hour', () => {
  const { moves, quiet } = drained();
  vi.advanceTimersByTime(MINUTE);
  expect(moves.areOver(true, true)).toBe(false);
  vi.advanceTimersByTime(15 * MINUTE);
  expect([quiet.mock.calls.length, moves.areOver(true, true), moves.isAtLimit]).toEqual([1, true, true]);
});

test('the wait starts over with the next drain', () => {
  const { moves, quiet } = drained();
  moves.areOver(false, true);
  moves.reset();
  vi.advanceTimersByTime(20 * MINUTE);
  expect([quiet.mock.calls.length, moves.areOver(true, true), moves.areOver(false, true)]).toEqual([0, false, false]);
  moves.reset();
});
