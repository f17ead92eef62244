import { describe, expect, test } from 'vitest';
import type { BuildRecord } from './record.ts';
import { after, assign, finish, fresh, lose, start } from './testing/lifecycle.ts';
import { type BuildEvent, transition } from './transition.ts';

describe('superseding', () => {
  const supersede = (by = 'b2'): BuildEvent => ({ type: 'supersede', by });
  const stopped: BuildEvent = {
    type: 'finish',
    attempt: 1,
    incarnation: 'i1',
    outcome: { end: 'canceled', failure: { code: 'canceled', message: 'canceled' } },
  };

  test('ends a queued build at once, with the newer one’s id', () => {
    expect(after(supersede())).toMatchObject({
      state: 'canceled',
      finishedAt: 1,
      supersededBy: 'b2',
      failure: { code: 'superseded', message: expect.stringContaining('b2') },
    });
  });

  test('marks a build that a host has, which ends superseded when the host confirms or is lost', () => {
    const marked = after(assign(), start(), supersede());
    expect(marked).toMatchObject({ state: 'running', cancelRequestedAt: 3, supersededBy: 'b2' });
    expect(marked.failure).toBeUndefined();
    for (const last of [stopped, lose()]) {
      const ended = after(assign(), start(), supersede(), last);
      expect(ended).toMatchObject({ state: 'canceled', failure: { code: 'superseded' } });
    }
    expect(after(assign(), start(), supersede(), stopped).attempts[0]).toMatchObject({
      end: 'canceled',
      failure: { code: 'superseded' },
    });
  });

  test('is too late for a build that finishes by itself', () => {
    expect(after(assign(), start(), supersede(), finish())).toMatchObject({ state: 'succeeded', supersededBy: 'b2' });
  });

  test('is the recorded reason only if it comes before a cancel', () => {
    const canceled = after(assign(), start(), { type: 'cancel' });
    expect(transition(canceled, supersede(), 9)).toBe(canceled);
    expect(after(assign(), start(), { type: 'cancel' }, supersede(), stopped).failure).toMatchObject({
      code: 'canceled',
    });
    const superseded = after(assign(), start(), supersede());
    expect(transition(superseded, { type: 'cancel' }, 9)).toBe(superseded);
    expect(transition(superseded, supersede('b3'), 9)).toBe(superseded);
  });
});

describe('sharing a run', () => {
  const sharer: BuildRecord = { ...fresh, id: 'b2', sharedRun: 'b1' };

  test('ends the build as the run ends, and the build is never placed', () => {
    expect(transition(sharer, assign(), 1)).toMatchObject({ illegal: true, reason: 'not_allowed' });
    const result = { digest: 'sha256:x' };
    const run = { state: 'succeeded', result, commit: 'c0ffee', steps: { total: 2, cached: 1 } } as const;
    expect(transition(sharer, { type: 'share', run }, 7)).toMatchObject({
      ...{ id: 'b2', state: 'succeeded', revision: 2, finishedAt: 7, attempts: [], sharedRun: 'b1' },
      ...{ result, commit: 'c0ffee', steps: { total: 2, cached: 1 } },
    });
    expect(transition(fresh, { type: 'share', run }, 7)).toMatchObject({ illegal: true });
  });

  test('lets the build leave when its caller cancels, but not cancel, supersede or release the run', () => {
    const left = transition(sharer, { type: 'leave' }, 5);
    expect(left).toMatchObject({ state: 'canceled', failure: { code: 'canceled' }, finishedAt: 5 });
    expect(left).not.toHaveProperty('sharedRun');
    for (const event of [{ type: 'cancel' }, { type: 'release' }, { type: 'supersede', by: 'b3' }] as const) {
      expect(transition(sharer, event, 5)).toMatchObject({ illegal: true });
    }
    expect(transition(fresh, { type: 'leave' }, 5)).toMatchObject({ illegal: true });
  });

  test('lets a released build continue, which can still be canceled', () => {
    const released = after(assign(), start(), { type: 'release' });
    expect(released).toMatchObject({ state: 'running', releasedAt: 3 });
    expect(released.cancelRequestedAt).toBeUndefined();
    expect(transition(released, { type: 'release' }, 9)).toBe(released);
    expect(after(assign(), start(), { type: 'release' }, finish())).toMatchObject({ state: 'succeeded' });
    expect(after(assign(), start(), { type: 'release' }, { type: 'cancel' }, lose())).toMatchObject({
      state: 'canceled',
    });
  });
});
