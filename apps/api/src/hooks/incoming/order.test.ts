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

/** Which of the events, in the order of their arrival, count; each is of a delivery of its own unless `ids` say otherwise. */
function counting(events: readonly RepositoryEvent[], ids = events.map((_, i) => `d${i}`)): boolean[] {
  let subject = EMPTY;
  return events.map((event, i) => {
    const delivery = ids[i] ?? '';
    const isLate = lateness(subject, event, delivery) !== undefined;
    subject = advance(subject, event, { delivery, builds: [], isLate });
    return !isLate;
  });
}

test('pushes in their order all count', () => {
  expect(counting([push(null, 'a'), push('a', 'b'), push('b', 'c')])).toEqual([true, true, true]);
});

test('a push that the branch has gone past doesn’t, however far', () => {
  expect(counting([push('b', 'c'), push('a', 'b')])).toEqual([true, false]);
  expect(counting([push('b', 'c'), push('c', 'd'), push('a', 'b')])).toEqual([true, true, false]);
});

test('one that takes the branch back does, and what follows on it', () => {
  const events = [push('a', 'b'), push('b', 'c'), push('c', 'b'), push('b', 'd')];
  expect(counting(events)).toEqual([true, true, true, true]);
});

test('after a gap the newest arrival counts', () => {
  expect(counting([push('a', 'b'), push('x', 'y'), push('y', 'z')])).toEqual([true, true, true]);
});

test('what came earlier and is worked on later doesn’t; the same delivery once more does', () => {
  expect(counting([push('x', 'y'), push('a', 'b')], ['d2', 'd1'])).toEqual([true, false]);
  expect(counting([push('a', 'b'), push('a', 'b')], ['d1', 'd1'])).toEqual([true, true]);
});

test('a deleted branch is no order', () => {
  expect(counting([push('a', 'b'), push('b', null), push(null, 'c')])).toEqual([true, true, true]);
});

test('of pull requests the forge’s time decides, and where it is the same or missing the arrival', () => {
  expect(counting([pull(2), pull(1), pull(3)])).toEqual([true, false, true]);
  expect(counting([pull(2), pull(2)], ['d2', 'd1'])).toEqual([true, false]);
  expect(counting([pull(undefined), pull(undefined)])).toEqual([true, true]);
  expect(counting([pull(5, 'closed'), pull(4)])).toEqual([true, false]);
});

test('takes the bytes of an earlier delivery for a repeat, except for a push to where the branch no longer is', () => {
  const at = (tip: string): Subject => ({ ...EMPTY, tip });
  expect(repeatOf(at('b'), push('a', 'b'), undefined)).toBeUndefined();
  expect(repeatOf(at('b'), push('a', 'b'), 'd1')).toBe('the same webhook was delivered before, as d1');
  expect(repeatOf(at('a'), push('a', 'b'), 'd1')).toBeUndefined();
  expect(repeatOf(EMPTY, pull(1), 'd1')).toBe('the same webhook was delivered before, as d1');
});
