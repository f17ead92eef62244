import { describe, expect, test } from 'vitest';
import { SMALL } from '../testing/small-trace.ts';
import { makeTrace } from './make-trace.ts';
import type { Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';
import type { TraceBuild } from './trace.ts';

const HOUR = 3_600;
const make = (change: Partial<Scenario> = {}, seed = 1) => makeTrace({ ...SMALL, ...change }, seed);
const shareOf = (builds: readonly TraceBuild[], is: (build: TraceBuild) => boolean) =>
  builds.filter(is).length / builds.length;

describe('a made trace', () => {
  test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    'of %s is the same for the same seed',
    (_, scenario) => {
      const short = { ...scenario, hours: Math.min(scenario.hours, 10) };
      const first = makeTrace(short, 7);
      expect(makeTrace(short, 7)).toEqual(first);
      expect(makeTrace(short, 8).builds).not.toEqual(first.builds);
      expect(first.builds.length).toBeGreaterThan(100);
    },
  );

  test('has builds in order of submission, with unique ids and longer runs the colder they are', () => {
    const { builds } = make();
    expect(new Set(builds.map(({ build }) => build)).size).toBe(builds.length);
    expect(builds.map(({ submitted }) => submitted)).toEqual(
      builds.map(({ submitted }) => submitted).sort((a, b) => a - b),
    );
    for (const { run } of builds) {
      expect(run.warm).toBeGreaterThan(0);
      expect(run.stale).toBeGreaterThan(run.warm);
      expect(run.cold).toBeGreaterThan(run.stale);
    }
  });

  test.each([0.3, 0.8])('keeps the share %d of the slots busy if all hosts share one cache', (load) => {
    const long = { load, hours: 200, repos: 20, warm: [60, 120] as const };
    const { builds, hosts, measureFrom } = make(long);
    const seen = new Map<string, number>();
    let work = 0;
    for (const { repo, dep, run, weight, submitted } of builds) {
      const cache = seen.has(repo) ? (seen.get(repo) === dep ? 'warm' : 'stale') : 'cold';
      seen.set(repo, dep);
      if (submitted >= measureFrom) work += run[cache] * weight;
    }
    const slots = hosts.reduce((sum, host) => sum + host.slots, 0);
    expect(work / (slots * (200 * HOUR - measureFrom)) / load).toBeCloseTo(1, 1);
  });

  test('has popularity that falls with the rank by the exponent', () => {
    const { builds } = make({ hours: 200, bursts: { share: 0, builds: [1, 1], within: 1 } });
    const share = (rank: number) => shareOf(builds, ({ repo }) => repo === `repo-${rank}`);
    expect(share(1) / share(4)).toBeCloseTo(4, 0);
    expect(share(1)).toBeGreaterThan(share(20));
  });

  test('begins at half the load', () => {
    const { builds } = make({ hours: 100, warmUpHours: 50 });
    const before = shareOf(builds, ({ submitted }) => submitted < 50 * HOUR);
    expect(before).toBeCloseTo(1 / 3, 1);
  });

  test('has bursts of one repo, which don’t change the number of builds', () => {
    const alone = make({ hours: 100, bursts: { share: 0, builds: [1, 1], within: 1 } }).builds;
    const burst = make({ hours: 100, bursts: { share: 0.5, builds: [10, 10], within: 60 } }).builds;
    expect(burst.length / alone.length).toBeCloseTo(1, 0);
    const near = (builds: readonly TraceBuild[]) =>
      builds.filter((one, i) => builds.slice(i + 1, i + 9).filter(({ repo }) => repo === one.repo).length >= 5).length;
    expect(near(burst)).toBeGreaterThan(10 * near(alone) + 10);
  });

  test('has storms of many builds within minutes', () => {
    const { builds } = make({ hours: 20, storms: { every: 2 * HOUR, builds: [200, 200], within: 300 } });
    const most = Math.max(
      ...builds.map((one, i) => builds.slice(i).filter(({ submitted }) => submitted < one.submitted + 300).length),
    );
    expect(most).toBeGreaterThanOrEqual(200);
  });

  test('has more builds by day than by night', () => {
    const { builds } = make({ hours: 72, warmUpHours: 0, daySwing: 0.8 });
    const hour = ({ submitted }: TraceBuild) => (submitted / HOUR) % 24;
    const noon = shareOf(builds, (one) => hour(one) >= 9 && hour(one) < 15);
    const night = shareOf(builds, (one) => hour(one) >= 21 || hour(one) < 3);
    expect(noon / night).toBeGreaterThan(4);
  });

  test('gives the monorepo and new repos their shares', () => {
    const monorepo = { share: 0.4, warm: 100, coldFactor: 5, size: 3 };
    const builds = make({ hours: 100, monorepo, newRepos: 0.1 }).builds;
    expect(shareOf(builds, ({ repo }) => repo === 'monorepo')).toBeCloseTo(0.4 * 0.9, 1);
    const strangers = builds.filter(({ repo }) => repo.startsWith('new-'));
    expect(strangers.length / builds.length).toBeCloseTo(0.1, 1);
    expect(new Set(strangers.map(({ repo }) => repo)).size).toBe(strangers.length);
  });

  test('changes dependencies at the given rate, and never back', () => {
    const { builds } = make({ hours: 100, depChanges: 0.2 });
    const last = new Map<string, number>();
    let changes = 0;
    for (const { repo, dep } of builds) {
      expect(dep).toBeGreaterThanOrEqual(last.get(repo) ?? 0);
      if (dep > (last.get(repo) ?? 0)) changes++;
      last.set(repo, dep);
    }
    expect(changes / builds.length).toBeCloseTo(0.2, 1);
  });

  test('changes durations halfway if the scenario drifts', () => {
    const means = (drift: Scenario['drift']) => {
      const change = { hours: 200, repos: 5, noise: 0.01, ...(drift && { drift }) };
      const { builds } = make(change);
      return [...Map.groupBy(builds, ({ repo }) => repo).values()].map((all) => {
        const mean = (some: readonly TraceBuild[]) => some.reduce((sum, { run }) => sum + run.warm, 0) / some.length;
        return (
          mean(all.filter(({ submitted }) => submitted > 100 * HOUR)) /
          mean(all.filter(({ submitted }) => submitted < 100 * HOUR))
        );
      });
    };
    for (const ratio of means(undefined)) expect(ratio).toBeCloseTo(1, 1);
    expect(means({ share: 1, factor: 4 }).filter((ratio) => Math.abs(Math.log(ratio)) > 0.2).length).toBeGreaterThan(2);
  });

  test('gives teams, classes and wide builds their shares', () => {
    const { builds } = make({
      hours: 100,
      repos: 400,
      zipf: 0.2,
      teams: { loud: 0.8, small: 0.2 },
      classes: { interactive: 0.2, normal: 0.5, batch: 0.3 },
      heavy: 0.25,
    });
    expect(shareOf(builds, ({ team }) => team === 'loud')).toBeCloseTo(0.8, 0);
    expect([0, 1, 2].map((class_) => shareOf(builds, ({ prio }) => prio === class_))).toEqual([
      expect.closeTo(0.2, 1),
      expect.closeTo(0.5, 1),
      expect.closeTo(0.3, 1),
    ]);
    expect(shareOf(builds, ({ weight }) => weight === 2)).toBeCloseTo(0.25, 1);
  });

  test('replaces lost hosts by empty ones, and loses only hosts that are up', () => {
    const { changes, hosts } = make({ hours: 100, losses: { every: HOUR, backAfter: 600 } });
    const there = new Set(hosts.map(({ host }) => host));
    let lost = 0;
    for (const change of changes) {
      if (change.type === 'up') there.add(change.host);
      else if (change.type === 'down') {
        expect(there.delete(change.host)).toBe(true);
        lost++;
      }
      expect(there.size).toBeGreaterThan(0);
    }
    expect(lost).toBeGreaterThan(50);
    expect(changes.map(({ t }) => t)).toEqual(changes.map(({ t }) => t).sort((a, b) => a - b));
  });

  test('adds hosts and drains them again', () => {
    const { changes } = make({ scale: { hosts: 2, upAt: 0.25, drainAt: 0.75 } });
    expect(changes.map(({ type, t, host }) => [type, t / HOUR, host])).toEqual([
      ['up', 2, 'extra1'],
      ['up', 2, 'extra2'],
      ['drain', 6, 'extra1'],
      ['drain', 6, 'extra2'],
    ]);
  });
});
