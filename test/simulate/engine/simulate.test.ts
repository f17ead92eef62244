import { describe, expect, test } from 'vitest';
import { POLICIES } from '../policies/catalog.ts';
import type { Policy, PolicyDecision, PolicyEvent } from '../protocol/events.ts';
import { build, host, SMALL, trace } from '../testing/small-trace.ts';
import { makeTrace } from '../trace/make-trace.ts';
import { IllegalAssignment, type SimulationOptions, simulate } from './simulate.ts';

/** A policy that gives scripted answers and records the events. */
class Scripted implements Policy {
  readonly told: PolicyEvent[] = [];
  readonly asked: number[] = [];
  readonly #answer: (t: number) => PolicyDecision;

  constructor(answer: (t: number, told: readonly PolicyEvent[]) => PolicyDecision) {
    this.#answer = (t) => answer(t, this.told);
  }

  handle(event: PolicyEvent): void {
    this.told.push(event);
  }

  decide(t: number): PolicyDecision {
    this.asked.push(t);
    return this.#answer(t);
  }
}
const assign = (build: string, host: string): PolicyDecision => ({ assign: [{ build, host }] });
const NOTHING: PolicyDecision = { assign: [] };
const first = (name = 'fifo-random') => POLICIES[name]?.make() as Policy;
const types = ({ told }: Scripted) => told.map(({ type }) => type);

describe('a simulation', () => {
  test('reports events in order, and asks once per instant', () => {
    const policy = new Scripted((t) => (t === 0 ? { assign: [{ build: '1', host: 'a' }] } : NOTHING));
    const outcomes = simulate(trace([build('1', 0), build('2', 0)], { hosts: [host('a')] }), {
      handle: (event) => policy.handle(event),
      decide: (t) => (t === 600 ? assign('2', 'a') : policy.decide(t)),
    });
    expect(types(policy)).toEqual([
      'init',
      'build_queued',
      'build_queued',
      'build_started',
      'build_finished',
      'build_started',
      'build_finished',
    ]);
    expect(policy.asked).toEqual([0, 660]);
    expect(outcomes.map(({ build, cache, finishedAt }) => [build.build, cache, finishedAt])).toEqual([
      ['1', 'cold', 600],
      ['2', 'warm', 660],
    ]);
  });

  test('queues a lost host’s builds again as another attempt, and drops its caches', () => {
    const changes = [
      { type: 'down', t: 100, host: 'a' },
      { type: 'up', t: 200, ...host('a') },
    ] as const;
    const policy = new Scripted((t) => (t === 0 || t === 200 ? assign('1', 'a') : NOTHING));
    const outcomes = simulate(trace([build('1', 0)], { changes }), policy);
    expect(policy.told).toContainEqual(
      expect.objectContaining({ type: 'build_queued', t: 100, attempt: 2, submitted: 0 }),
    );
    expect(outcomes).toMatchObject([{ attempts: 2, startedAt: 200, finishedAt: 800, cache: 'cold' }]);
  });

  test('asks again once at the requested time', () => {
    const policy = new Scripted((t) => (t === 42 ? assign('1', 'a') : { assign: [], wake: 42 }));
    simulate(trace([build('1', 0)]), policy);
    expect(policy.asked).toEqual([0, 42, 642]);
    expect(policy.told).toContainEqual({ type: 'wake', t: 42 });
  });

  test('reports dependencies when a build is queued unless they are hidden, and always when it ends', () => {
    const seen = (options: SimulationOptions) => {
      const policy = new Scripted((t) => (t === 0 ? assign('1', 'a') : NOTHING));
      simulate(trace([build('1', 0, { dep: 7 })]), policy, options);
      return policy.told.flatMap((event) => ('dep' in event ? [[event.type, event.dep]] : []));
    };
    expect(seen({})).toEqual([
      ['build_queued', 7],
      ['build_finished', 7],
    ]);
    expect(seen({ depKnown: false })).toEqual([['build_finished', 7]]);
  });

  test('refuses a policy that never places a build', () => {
    expect(() => simulate(trace([build('1', 0)]), new Scripted(() => NOTHING))).toThrow(/1 builds were never placed/);
  });

  test.each<[string, (t: number) => PolicyDecision, RegExp]>([
    ['a build that is not queued', () => assign('9', 'a'), /build 9 is not queued/],
    ['a build that runs', (t) => (t < 2 ? assign('1', 'a') : NOTHING), /build 1 is not queued/],
    ['a host that is not there', () => assign('1', 'x'), /host x is not there/],
    ['a full host', (t) => assign(t === 0 ? '1' : '2', 'a'), /host a is full/],
    ['a draining host', (t) => (t === 1 ? assign('1', 'b') : NOTHING), /host b is draining/],
    ['a wide build where only one slot is free', () => assign('wide', 'a'), /host a is full/],
  ])('refuses %s', (_, answer, message) => {
    const changes = [{ type: 'drain', t: 1, host: 'b' }] as const;
    const builds = [build('1', 0), build('wide', 0, { weight: 2 }), build('2', 1)];
    const played = () => simulate(trace(builds, { hosts: [host('a'), host('b')], changes }), new Scripted(answer));
    expect(played).toThrow(IllegalAssignment);
    expect(played).toThrow(message);
  });
});

describe.each(Object.keys(POLICIES))('%s', (name) => {
  test('finishes every build, the same way each time', () => {
    const made = makeTrace(
      {
        ...SMALL,
        hours: 4,
        heavy: 0.2,
        losses: { every: 3_600, backAfter: 600 },
        scale: { hosts: 2, upAt: 0.3, drainAt: 0.6 },
        storms: { every: 3_600, builds: [20, 40], within: 60 },
      },
      2,
    );
    const once = simulate(made, first(name), { seed: 5 });
    expect(once).toHaveLength(made.builds.length);
    expect(simulate(made, first(name), { seed: 5 })).toEqual(once);
  });
});
