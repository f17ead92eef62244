import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { queueDeadline } from './queue-deadline.ts';
import { type BuildRecord, currentAttempt } from './record.ts';
import { isTerminal, TERMINAL_STATES } from './state.ts';
import { after, assign, finish, fresh, lose, lost, start } from './testing/lifecycle.ts';
import { type BuildEvent, isIllegal, MAX_ATTEMPTS, MAX_OUTDATED_HOSTS, transition } from './transition.ts';

describe('a build', () => {
  test('goes from queued through assigned and running to its end', () => {
    const build = after(assign(), start(), finish());
    expect(build).toMatchObject({ state: 'succeeded', revision: 4, finishedAt: 3 });
    expect(build.attempts).toEqual([
      { number: 1, host: 'h1', incarnation: 'i1', assignedAt: 1, startedAt: 2, endedAt: 3, end: 'succeeded' },
    ]);
  });

  test('goes back to the queue when its host is lost, and keeps its pinned commit', () => {
    const pin: BuildEvent = { type: 'pin', attempt: 1, incarnation: 'i1', commit: 'c0ffee' };
    const build = after(assign(), start(), pin, lose());
    expect(build).toMatchObject({ state: 'queued', commit: 'c0ffee', queuedAt: 4 });
    expect(currentAttempt(build)).toMatchObject({ end: 'lost', failure: lost });
  });

  test('goes back to the queue after an infrastructure failure', () => {
    const outcome = { end: 'failed', failure: { code: 'infrastructure', message: 'no active session' } } as const;
    expect(after(assign(), start(), { type: 'finish', attempt: 1, incarnation: 'i1', outcome })).toMatchObject({
      state: 'queued',
    });
  });

  test('is poisoned if every host was lost while running it', () => {
    const rounds = Array.from({ length: MAX_ATTEMPTS }, (_, i) => [assign(), start(i + 1), lose(i + 1)]).flat();
    expect(after(...rounds)).toMatchObject({ state: 'failed', failure: { code: 'poisoned' } });
  });

  test('may be handed back by draining hosts any number of times', () => {
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

  test('fails after too many hosts that don’t understand it, which are counted separately', () => {
    const outdated = { code: 'host_outdated', message: 'update it' } as const;
    const round = (attempt: number): BuildEvent[] => [
      assign(),
      { type: 'finish', attempt, incarnation: 'i1', outcome: { end: 'failed', failure: outdated } },
    ];
    const rounds = (count: number) => Array.from({ length: count }, (_, i) => round(i + 1)).flat();
    expect(after(...rounds(MAX_OUTDATED_HOSTS - 1))).toMatchObject({ state: 'queued' });
    expect(after(...rounds(MAX_OUTDATED_HOSTS))).toMatchObject({
      state: 'failed',
      failure: { code: 'host_outdated', message: `update it (gave up after ${MAX_OUTDATED_HOSTS} attempts)` },
    });
    expect(after(...rounds(4), assign(), start(5), lose(5))).toMatchObject({ state: 'queued' });
  });

  test('refuses every event of a stale attempt', () => {
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

  test('ends at once if it is canceled while queued, and is only marked while a host has it', () => {
    expect(after({ type: 'cancel' })).toMatchObject({ state: 'canceled', finishedAt: 1 });
    const marked = after(assign(), start(), { type: 'cancel' });
    expect(marked).toMatchObject({ state: 'running', cancelRequestedAt: 3 });
    expect(transition(marked, { type: 'cancel' }, 9)).toBe(marked);
  });

  test('ends canceled, without another attempt, if its host is lost after the cancel', () => {
    expect(after(assign(), start(), { type: 'cancel' }, lose())).toMatchObject({ state: 'canceled' });
  });
});

describe('a build that the leader gives up placing', () => {
  const failure = { code: 'no_fitting_host', message: 'no host builds linux/arm64' } as const;
  const abandon: BuildEvent = { type: 'abandon', failure };

  test('fails with the reason, whether a host had it before or not', () => {
    expect(after(abandon)).toMatchObject({ state: 'failed', finishedAt: 1, failure, attempts: [] });
    expect(after(assign(), start(), lose(), abandon)).toMatchObject({ state: 'failed', finishedAt: 4, failure });
  });

  test('continues if a host has taken it, or if it shares another’s run', () => {
    expect(transition(after(assign()), abandon, 9)).toMatchObject({ illegal: true, reason: 'not_allowed' });
    expect(transition({ ...fresh, sharedRun: 'b0' }, abandon, 9)).toMatchObject({ illegal: true });
  });
});

describe('the queue timeout', () => {
  test('counts from the submission, without the time on hosts', () => {
    const queueTimeoutMs = 600;
    expect(queueDeadline({ ...fresh, queueTimeoutMs })).toBe(600);
    const attempt = { number: 1, host: 'h', incarnation: 'i', assignedAt: 100 };
    expect(queueDeadline({ ...fresh, queueTimeoutMs, attempts: [{ ...attempt, endedAt: 5_100 }] })).toBe(5_600);
    expect(queueDeadline(fresh)).toBeUndefined();
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
    fc.constantFrom<BuildEvent>({ type: 'cancel' }, { type: 'release' }, { type: 'leave' }),
    fc.record({ type: fc.constant('abandon' as const), failure: fc.constant(lost) }),
    fc.record({ type: fc.constant('supersede' as const), by: fc.constantFrom('b2', 'b3') }),
    fc.record({
      type: fc.constant('share' as const),
      run: fc.record({ state: fc.constantFrom(...TERMINAL_STATES) }),
    }),
  );
  const first = fc.constantFrom<BuildRecord>(fresh, { ...fresh, sharedRun: 'b0' });

  test('keeps the invariants', () => {
    fc.assert(
      fc.property(first, fc.array(event, { maxLength: 60 }), (born, events) => {
        let build = born;
        events.forEach((each, i) => {
          const next = transition(build, each, i + 1);
          if (isIllegal(next)) return;
          // 1. A terminal state is never left.
          expect(isTerminal(build.state)).toBe(false);
          // Every change has its own revision; only a second cancel, supersede or release changes nothing.
          expect(next.revision - build.revision).toBe(next === build ? 0 : 1);
          // 2. At most one attempt is live, it is the last one, and only assigned and running builds have one.
          const open = next.attempts.filter(({ end }) => end === undefined);
          const holds = next.state === 'assigned' || next.state === 'running';
          expect(open.map(({ number }) => number)).toEqual(holds ? [next.attempts.length] : []);
          expect(next.attempts.map(({ number }) => number)).toEqual(next.attempts.map((_, k) => k + 1));
          if ('attempt' in each) expect(each.attempt).toBe(build.attempts.length);
          expect(next.attempts.length).toBeLessThanOrEqual(MAX_ATTEMPTS);
          // 4. A canceled build never runs again.
          if (build.cancelRequestedAt !== undefined) expect(['queued', 'assigned']).not.toContain(leftFor(build, next));
          expect(next.finishedAt !== undefined).toBe(isTerminal(next.state));
          // The superseding build stays the same, and only superseded builds have one as their reason.
          if (build.supersededBy !== undefined) expect(next.supersededBy).toBe(build.supersededBy);
          if (next.state === 'canceled' && next.attempts.length > 0) {
            expect(next.failure?.code === 'superseded').toBe(next.supersededBy !== undefined);
          }
          // A build that shares a run has none of its own.
          if (next.sharedRun !== undefined) expect(next.attempts).toEqual([]);
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
