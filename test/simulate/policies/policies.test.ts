import { describe, expect, test } from 'vitest';
import { simulate } from '../engine/simulate.ts';
import type { Policy } from '../protocol/events.ts';
import { runCase } from '../report/run-case.ts';
import { build, host, SMALL, trace } from '../testing/small-trace.ts';
import { makeTrace } from '../trace/make-trace.ts';
import type { Trace } from '../trace/trace.ts';
import { POLICIES } from './catalog.ts';

/** Returns the host and start of each build. */
function play(name: string, played: Trace): Record<string, string> {
  const outcomes = simulate(played, POLICIES[name]?.make() as Policy, { seed: 1 });
  return Object.fromEntries(outcomes.map(({ build, host, startedAt }) => [build.build, `${host} ${startedAt}`]));
}
const hosts = [host('a'), host('b')];
/** A trace in which a host is warm for a repo and busy with it when another build arrives, while the other host is free. */
const busyWarm = (later: number) => {
  const long = { warm: 1_000, stale: 1_000, cold: 1_000 };
  return trace([build('1', 0), build('2', 700, { run: long }), build('3', 700 + later)], { hosts });
};

describe('a policy that Kiln is compared with', () => {
  test('fifo-random serves builds in order of arrival on any free host', () => {
    const played = trace([build('1', 0), build('2', 1), build('3', 2), build('4', 3)], { hosts });
    const starts = Object.values(play('fifo-random', played)).map((text) => Number(text.split(' ')[1]));
    expect(starts.toSorted((a, b) => a - b)).toEqual([0, 1, 600, 601]);
  });

  test('least-busy takes the host with the least share of its slots used', () => {
    const wide = [host('a', { slots: 4 }), host('b', { slots: 2 })];
    const played = trace([build('1', 0), build('2', 1), build('3', 2)], { hosts: wide });
    expect(play('least-busy', played)).toEqual({ 1: 'a 0', 2: 'b 1', 3: 'a 2' });
  });

  test('warm-first takes a free host with the cache, else any', () => {
    expect(play('warm-first', busyWarm(5))).toMatchObject({ 2: 'a 700', 3: 'b 705' });
    expect(play('warm-first', busyWarm(1_500))).toMatchObject({ 3: 'a 2200' });
  });

  test('sticky-hash always takes the same host for a repo, however busy, until it is lost', () => {
    const played = play('sticky-hash', busyWarm(5));
    const [home] = played[1]?.split(' ') ?? [];
    expect(played).toMatchObject({ 2: `${home} 700`, 3: `${home} 1700` });
    const lost = { ...busyWarm(5), changes: [{ type: 'down', t: 710, host: home ?? '' }] } as const;
    expect(play('sticky-hash', lost)[3]).toBe(`${home === 'a' ? 'b' : 'a'} 1710`);
  });

  test('bounded-hash takes the same host unless it has more than its share', () => {
    const hostsOf = (builds: number) => {
      const played = trace(
        Array.from({ length: builds }, (_, i) => build(`${i}`, 0)),
        { hosts },
      );
      return new Set(Object.values(play('bounded-hash', played)).map((text) => text.split(' ')[0]));
    };
    // ⌈1.25 × 2 builds ÷ 2 hosts⌉ is two, ⌈1.25 × 3 ÷ 2⌉ as well.
    expect([1, 2, 3].map((builds) => hostsOf(builds).size)).toEqual([1, 1, 2]);
  });

  test('volume-locality takes the least loaded host with the repo’s volumes, however busy', () => {
    expect(play('volume-locality', busyWarm(5))).toMatchObject({ 2: 'a 700', 3: 'a 1700' });
  });

  test.each([60, 300, 900])(
    'delay-%d waits that many seconds for a host with the cache, then takes any',
    (patience) => {
      expect(play(`delay-${patience}`, busyWarm(5))).toMatchObject({ 2: 'a 700', 3: `b ${705 + patience}` });
      const soon = trace([build('1', 0), build('2', 700), build('3', 701)], { hosts });
      expect(play(`delay-${patience}`, soon)).toMatchObject({ 3: 'a 760' });
    },
  );

  test('never places a build on a drained host', () => {
    const changes = [{ type: 'drain', t: 650, host: 'a' }] as const;
    for (const name of Object.keys(POLICIES)) {
      expect(play(name, { ...busyWarm(5), changes })[3]).toMatch(/^b /);
    }
  });
});

test('Kiln finishes builds sooner than each of them, in the mean and at the 95th percentile', () => {
  const simple = Object.keys(POLICIES).filter((name) => name !== 'kiln');
  expect(simple).toHaveLength(9);
  for (const seed of [1, 2]) {
    const results = runCase(makeTrace({ ...SMALL, hours: 16 }, seed), Object.keys(POLICIES), seed, true);
    const of = (policy: string) => results.find((one) => one.policy === policy)?.metrics;
    const kiln = of('kiln');
    for (const name of simple) {
      const other = of(name);
      expect(kiln?.meanFinish, `mean, ${name}`).toBeLessThan(other?.meanFinish ?? 0);
      expect(kiln?.p95Finish, `95th percentile, ${name}`).toBeLessThan(other?.p95Finish ?? 0);
    }
  }
}, 30_000);
