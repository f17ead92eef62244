import { expect, test } from 'vitest';
import { KilnPolicy } from '../protocol/bridge.ts';
import type { Policy, PolicyEvent, SeedOrder } from '../protocol/events.ts';
import { playVariants } from '../report/cache-table.ts';
import { build, host, SMALL, trace } from '../testing/small-trace.ts';
import { makeTrace } from '../trace/make-trace.ts';
import { simulate } from './simulate.ts';
import { WorldHost } from './world-host.ts';

const run = (one: WorldHost, id: string, repo: string) => {
  const running = { build: build(id, 0, { repo }), attempt: 1, startedAt: 0, runS: 1, cache: 'cold' as const };
  one.start(running);
  return one.finish(running);
};

test('a full disk evicts what saves least for its size, and never what was just built', () => {
  const saves: Record<string, number> = { dear: 9, cheap: 1, fresh: 0 };
  const byWorth = new WorldHost(host('a', { disk: 2 }), (repo) => saves[repo] ?? 0);
  const byUse = new WorldHost(host('a', { disk: 2 }));
  for (const one of [byWorth, byUse]) for (const repo of ['dear', 'cheap']) run(one, repo, repo);
  expect(run(byWorth, '3', 'fresh')).toEqual(['cheap']);
  expect(run(byUse, '3', 'fresh')).toEqual(['dear']);
});

test('a build on a seeded cache runs half way to a stale one, and leaves a full one', () => {
  const one = new WorldHost(host('a'));
  const app = build('1', 0);
  expect(one.seed('app', { dep: 0, size: 1 })).toEqual([]);
  expect([one.cacheFor(app), one.runSeconds(app, 'warm')]).toEqual(['warm', 90]);
  run(one, '1', 'app');
  expect(one.runSeconds(app, 'warm')).toBe(60);
  expect(one.seed('app', { dep: 0, size: 1 })).toEqual([]);
  expect(one.runSeconds(app, 'warm')).toBe(60);
});

/** Places each build on the host of its number, and asks for one seed at 700 s. */
class Seeder implements Policy {
  readonly told: PolicyEvent[] = [];
  readonly #order: SeedOrder;
  #t = 0;
  readonly #queued: string[] = [];

  constructor(order: SeedOrder) {
    this.#order = order;
  }

  handle(event: PolicyEvent): void {
    this.told.push(event);
    if (event.type === 'build_queued') this.#queued.push(event.build);
  }

  decide(t: number) {
    this.#t = t;
    return { assign: this.#queued.splice(0).map((id) => ({ build: id, host: id === '3' ? 'b' : 'a' })) };
  }

  seeds(): readonly SeedOrder[] {
    return this.#t === 700 ? [this.#order] : [];
  }
}

test.each([
  ['arrives after the transfer', 20, [], 'warm'],
  ['arrives too late for the build', 200, [], 'cold'],
  ['never arrives if its source is lost', 20, [{ type: 'down', t: 710, host: 'a' }], 'cold'],
] as const)('a seed %s', (_, seconds, changes, cache) => {
  const builds = [
    build('1', 0),
    build('2', 700, { repo: 'other', run: { warm: 1, stale: 1, cold: 1 } }),
    build('3', 750),
  ];
  const policy = new Seeder({ repo: 'app', from: 'a', to: 'b', seconds });
  const outcomes = simulate(trace(builds, { hosts: [host('a'), host('b')], changes }), policy);
  expect(outcomes.find((one) => one.build.build === '3')?.cache).toBe(cache);
});

test('Kiln with seeding finishes every build, the same way each time, and asks for no seed without it', () => {
  const made = makeTrace({ ...SMALL, hours: 4, scale: { hosts: 2, upAt: 0.3, drainAt: 0.6 } }, 2);
  const play = (seeding: boolean) => {
    let seeds = 0;
    const watch = (event: { readonly type: string }) => {
      if (event.type === 'seed_finished') seeds++;
    };
    return { outcomes: simulate(made, new KilnPolicy(undefined, { seeding }), { watch }), seeds: () => seeds };
  };
  const once = play(true);
  expect(once.outcomes).toHaveLength(made.builds.length);
  expect(once.seeds()).toBeGreaterThan(0);
  expect(play(true).outcomes).toEqual(once.outcomes);
  const without = play(false);
  expect(without.seeds()).toBe(0);
  expect(without.outcomes).toEqual(simulate(made, new KilnPolicy()));
  expect(playVariants(made, 1, true)).toHaveLength(4);
});
