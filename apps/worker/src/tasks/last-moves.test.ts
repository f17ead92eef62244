import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LastMoves } from './last-moves.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const MINUTE = 60_000;
/** The leader has said that caches of the host have yet to move. */
const MOVING = { isBusy: false, isMoved: false, isMarked: true };
const UNMARKED = { ...MOVING, isMarked: false };

function drained() {
  const onTime = vi.fn();
  return { moves: new LastMoves(onTime, 30_000), onTime };
}

test('a host leaves as soon as its caches have moved and its tasks have ended', () => {
  const { moves, onTime } = drained();
  expect(moves.areOver(MOVING)).toBe(false);
  vi.advanceTimersByTime(5 * MINUTE);
  expect(moves.areOver({ isBusy: true, isMoved: true, isMarked: true })).toBe(false);
  expect(moves.areOver({ isBusy: false, isMoved: true, isMarked: true })).toBe(true);
  vi.advanceTimersByTime(20 * MINUTE);
  expect(onTime).not.toHaveBeenCalled();
});

test('a leader that says nothing is waited for, and after each task again', () => {
  const { moves, onTime } = drained();
  expect(moves.areOver(UNMARKED)).toBe(false);
  vi.advanceTimersByTime(20_000);
  moves.taskEnded();
  expect(moves.areOver(UNMARKED)).toBe(false);
  vi.advanceTimersByTime(29_000);
  expect([onTime.mock.calls.length, moves.areOver(UNMARKED)]).toEqual([0, false]);
  vi.advanceTimersByTime(1_000);
  expect([onTime.mock.calls.length, moves.areOver(UNMARKED)]).toEqual([1, true]);
});

test.each([
  ['a task that never ends', { ...UNMARKED, isBusy: true }],
  ['caches that never move', MOVING],
])('%s keep the host for a quarter of an hour', (_, host) => {
  const { moves, onTime } = drained();
  vi.advanceTimersByTime(MINUTE);
  expect(moves.areOver(host)).toBe(false);
  vi.advanceTimersByTime(14 * MINUTE);
  moves.taskEnded();
  expect(moves.areOver(host)).toBe(false);
  vi.advanceTimersByTime(MINUTE);
  expect([onTime.mock.calls.length, moves.areOver(host)]).toEqual([1, true]);
});

test('the wait starts over with the next drain', () => {
  const { moves, onTime } = drained();
  moves.areOver(MOVING);
  moves.reset();
  vi.advanceTimersByTime(20 * MINUTE);
  expect([onTime.mock.calls.length, moves.areOver(MOVING), moves.areOver(UNMARKED)]).toEqual([0, false, false]);
  moves.reset();
});
