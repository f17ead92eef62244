import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Failure } from './failure.ts';
import { type BuildRecord, currentAttempt } from './record.ts';
import { isTerminal } from './state.ts';
import { type BuildEvent, isIllegal, MAX_ATTEMPTS, transition } from './transition.ts';

const fresh: BuildRecord = {
  id: 'b1',
  revision: 1,
  state: 'queued',
  repo: 'app',
  team: 'default',
  createdAt: 0,
  queuedAt: 0,
  attempts: [],
};
const lost: Failure = { code: 'host_lost', message: 'gone' };

/** Applies events in turn; fails the test where one is refused. */
function after(...events: BuildEvent[]): BuildRecord {
  return events.reduce<BuildRecord>((build, event, i) => {
    const next = transition(build, event, i + 1);
    if (isIllegal(next)) throw new Error(`${event.type} refused in ${build.state}: ${next.reason}`);
    return next;
  }, fresh);
}

const assign = (incarnation = 'i1'): BuildEvent => ({ type: 'assign', host: 'h1', incarnation });
const start = (attempt = 1, incarnation = 'i1'): BuildEvent => ({ type: 'start', attempt, incarnation });
const finish = (attempt = 1, incarnation = 'i1'): BuildEvent => ({
  type: 'finish',
  attempt,
  incarnation,
  outcome: { end: 'succeeded' },
});
const lose = (attempt = 1): BuildEvent => ({ type: 'lose', attempt, failure: lost });

describe('the life of a build', () => {
  test('goes from queued over assigned and running to its end', () => {
    const build = after(assign(), start(), finish());
    expect(build).toMatchObject({ state: 'succeeded', revision: 4, finishedAt: 3 });
    expect(build.attempts).toEqual([
      { number: 1, host: 'h1', incarnation: 'i1', assignedAt: 1, startedAt: 2, endedAt: 3, end: 'succeeded' },
    ]);
  });

  test('goes back to the queue when its host is lost, and keeps the commit it was pinned to', () => {
    const pin: BuildEvent = { type: 'pin', attempt: 1, incarnation: 'i1', commit: 'c0ffee' };
    const build = after(assign(), start(), pin, lose());
    expect(build).toMatchObject({ state: 'queued', commit: 'c0ffee', queuedAt: 4 });
    expect(currentAttempt(build)).toMatchObject({ end: 'lost', failure: lost });
  });

  test('an infrastructure failure is not the build’s own', () => {
    const outcome = { end: 'failed', failure: { code: 'infrastructure', message: 'no active session' } } as const;
    expect(after(assign(), start(), { type: 'finish', attempt: 1, incarnation: 'i1', outcome }).state).toBe('queued');
  });

  test('a build that takes down every host is poisoned', () => {
    const rounds = Array.from({ length: MAX_ATTEMPTS }, (_, i) => [assign(), start(i + 1), lose(i + 1)]).flat();
    expect(after(...rounds)).toMatchObject({ state: 'failed', failure: { code: 'poisoned' } });
  });

  test('hosts that are drained may hand a build back as often as they like: it goes on waiting for one that isn’t', () => {
    const handedBack = { code: 'host_drained', message: 'drained' } as const;
    const round = (attempt: number): BuildEvent[] => [
      assign(),
      start(attempt),
      { type: 'finish', attempt, incarnation: 'i1', outcome: { end: 'failed', failure: handedBack } },
    ];
    const often = Array.from({ length: MAX_ATTEMPTS * 2 }, (_, i) => round(i + 1)).flat();
    expect(after(...often)).toMatchObject({ state: 'queued' });
    const next = MAX_ATTEMPTS * 2 + 1;
    const twice = Array.from({ length: MAX_ATTEMPTS - 1 }, (_, i) => [
      assign(),
      start(next + i),
      lose(next + i),
    ]).flat();
    expect(after(...often, ...twice)).toMatchObject({ state: 'queued' });
    const last = next + MAX_ATTEMPTS - 1;
    expect(after(...often, ...twice, assign(), start(last), lose(last))).toMatchObject({
      state: 'failed',
      failure: { code: 'poisoned', message: `${MAX_ATTEMPTS} hosts in a row were lost while they ran this build` },
    });
  });

  test('a stale attempt can write nothing', () => {
    const again = after(assign('i1'), start(), lose(), assign('i2'), start(2, 'i2'));
    for (const event of [finish(1, 'i1'), finish(1, 'i2'), finish(2, 'i1'), lose(1)]) {
      expect(transition(again, event, 9)).toEqual({
        illegal: true,
        reason: 'stale',
        state: 'running',
        event: event.type,
      });
    }
  });

  test('cancel ends a queued build at once, and marks one that a host holds', () => {
    expect(after({ type: 'cancel' })).toMatchObject({ state: 'canceled', finishedAt: 1 });
    const marked = after(assign(), start(), { type: 'cancel' });
    expect(marked).toMatchObject({ state: 'running', cancelRequestedAt: 3 });
    expect(transition(marked, { type: 'cancel' }, 9)).toBe(marked);
  });

  test('a canceled build whose host is lost is canceled, not tried again', () => {
    expect(after(assign(), start(), { type: 'cancel' }, lose()).state).toBe('canceled');
  });
});

describe('any sequence of events', () => {
  const attempt = fc.integer({ min: 1, max: MAX_ATTEMPTS + 1 });
  const incarnation = fc.constantFrom('i1', 'i2');
  const outcome = fc.constantFrom(
    { end: 'succeeded' } as const,
    { end: 'failed', failure: { code: 'step_failed', message: 'x' } } as const,
    { end: 'failed', failure: { code: 'infrastructure', message: 'x' } } as const,
    { end: 'canceled', failure: { code: 'canceled', message: 'x' } } as const,
  );
  const event: fc.Arbitrary<BuildEvent> = fc.oneof(
    fc.record({ type: fc.constant('assign' as const), host: fc.constantFrom('h1', 'h2'), incarnation }),
    fc.record({ type: fc.constant('start' as const), attempt, incarnation }),
    fc.record({ type: fc.constant('pin' as const), attempt, incarnation, commit: fc.constant('c') }),
    fc.record({ type: fc.constant('finish' as const), attempt, incarnation, outcome }),
    fc.record({ type: fc.constant('lose' as const), attempt, failure: fc.constant(lost) }),
    fc.constant<BuildEvent>({ type: 'cancel' }),
  );

  test('keeps the invariants', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let build = fresh;
        events.forEach((each, i) => {
          const next = transition(build, each, i + 1);
          if (isIllegal(next)) return;
          // 1. A terminal state is left by nothing.
          expect(isTerminal(build.state)).toBe(false);
          // Revisions tell every change apart; only a repeated cancel changes nothing.
          expect(next.revision - build.revision).toBe(next === build ? 0 : 1);
          // 2. At most one attempt lives, it is the last, and only assigned and running builds have one.
          const open = next.attempts.filter(({ end }) => end === undefined);
          const holds = next.state === 'assigned' || next.state === 'running';
          expect(open.map(({ number }) => number)).toEqual(holds ? [next.attempts.length] : []);
          expect(next.attempts.map(({ number }) => number)).toEqual(next.attempts.map((_, k) => k + 1));
          if ('attempt' in each) expect(each.attempt).toBe(build.attempts.length);
          expect(next.attempts.length).toBeLessThanOrEqual(MAX_ATTEMPTS);
          // 4. A canceled build never runs again.
          if (build.cancelRequestedAt !== undefined) expect(['queued', 'assigned']).not.toContain(leftFor(build, next));
          expect(next.finishedAt !== undefined).toBe(isTerminal(next.state));
          build = next;
        });
      }),
      { numRuns: 2_000 },
    );
  });

  function leftFor(before: BuildRecord, after: BuildRecord): string | undefined {
    return before.state === after.state ? undefined : after.state;
  }
});
