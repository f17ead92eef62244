import type { Subject } from '@kiln/state';
import { expect, test } from 'vitest';
import { advance, lateness, type RepositoryEvent, repeatOf } from './order.ts';

const EMPTY: Subject = { past: [], builds: [] };
const repository = { fullName: 'a/b', cloneUrl: 'https://git.example/a/b.git' };

function push(before: string | null, after: string | null): RepositoryEvent {
  const changed = { complete: true as const, paths: [] };
  return { type: 'push', forge: 'gitea', repository, branch: 'main', before, after, deleted: after === null, changed };
}

function pull(updatedAt: number | undefined, action: 'synchronised' | 'closed' = 'synchronised'): RepositoryEvent {
  const { event } = { event: push(null, 'x') };
  if (event.type !== 'push') throw new Error('no push');
  const { branch: _, before: __, after: ___, deleted: ____, ...common } = event;
  return {
    ...common,
    ...{ type: 'pull_request', action, number: 1, title: '', draft: false, merged: false, fork: false },
    ...{ head: { repository, branch: 'x', commit: 'abcdef0' }, base: { branch: 'main' } },
    ...(updatedAt !== undefined && { updatedAt }),
  };
}

/** Which events are in order, given in the order of their arrival. Each has its own delivery unless `ids` says otherwise. */
function inOrder(events: readonly RepositoryEvent[], ids = events.map((_, i) => `d${i}`)): boolean[] {
  let subject = EMPTY;
  return events.map((event, i) => {
    const delivery = ids[i] ?? '';
    const isLate = lateness(subject, event, delivery) !== undefined;
    subject = advance(subject, event, { delivery, builds: [], isLate });
    return !isLate;
  });
}

test('no push is late if they arrive in order', () => {
  expect(inOrder([push(null, 'a'), push('a', 'b'), push('b', 'c')])).toEqual([true, true, true]);
});

test('a push is late if the branch has moved past it, however far', () => {
  expect(inOrder([push('b', 'c'), push('a', 'b')])).toEqual([true, false]);
  expect(inOrder([push('b', 'c'), push('c', 'd'), push('a', 'b')])).toEqual([true, true, false]);
});

test('a push that moves the branch back is not late, nor are the pushes after it', () => {
  const events = [push('a', 'b'), push('b', 'c'), push('c', 'b'), push('b', 'd')];
  expect(inOrder(events)).toEqual([true, true, true, true]);
});

test('a push after a gap is not late', () => {
  expect(inOrder([push('a', 'b'), push('x', 'y'), push('y', 'z')])).toEqual([true, true, true]);
});

test('a delivery that arrived earlier but is processed later is late, unlike the same delivery again', () => {
  expect(inOrder([push('x', 'y'), push('a', 'b')], ['d2', 'd1'])).toEqual([true, false]);
  expect(inOrder([push('a', 'b'), push('a', 'b')], ['d1', 'd1'])).toEqual([true, true]);
});

test('a branch can be deleted and created again in order', () => {
  expect(inOrder([push('a', 'b'), push('b', null), push(null, 'c')])).toEqual([true, true, true]);
});

test('the forge’s time decides for pull requests, and the arrival if that is the same or missing', () => {
  expect(inOrder([pull(2), pull(1), pull(3)])).toEqual([true, false, true]);
  expect(inOrder([pull(2), pull(2)], ['d2', 'd1'])).toEqual([true, false]);
  expect(inOrder([pull(undefined), pull(undefined)])).toEqual([true, true]);
  expect(inOrder([pull(5, 'closed'), pull(4)])).toEqual([true, false]);
});

test('an event with the bytes of an earlier delivery is a repeat, unless it pushes to where the branch no longer is', () => {
  const at = (tip: string): Subject => ({ ...EMPTY, tip });
  expect(repeatOf(at('b'), push('a', 'b'), undefined)).toBeUndefined();
  expect(repeatOf(at('b'), push('a', 'b'), 'd1')).toBe('the same webhook was delivered before, as d1');
  expect(repeatOf(at('a'), push('a', 'b'), 'd1')).toBeUndefined();
  expect(repeatOf(EMPTY, pull(1), 'd1')).toBe('the same webhook was delivered before, as d1');
});
