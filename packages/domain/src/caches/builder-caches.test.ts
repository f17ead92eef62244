import { expect, test } from 'vitest';
import { type BuilderScene, builderCaches, learnedSaving } from './builder-caches.ts';
import { evictionOrder } from './worth.ts';

const NOW = 100 * 3_600_000;
const track = (mean: number) => ({ mean, samples: 5, drift: 0, spread: 0 });
const learned = (builds: number, coldMs: number) => ({
  estimate: { cold: track(coldMs), warm: track(10_000) },
  demand: { value: builds, at: NOW },
});
const mount = (id: string, bytes: number, inUse = false) => ({
  id,
  bytes,
  lastUsedAt: NOW,
  inUse,
  records: [`r-${id}`],
});
const used = (repo: string, ...ids: string[]) => ({
  ...{ repo, layerBytes: 0, mounts: ids.map((id) => ({ id, bytes: 1, missed: 0 })) },
});
const layer = (id: string, bytes: number) => ({ id, bytes, lastUsedAt: NOW, parents: [] });

const SCENE: BuilderScene = {
  mounts: [
    mount('a/npm', 100),
    mount('a/dist', 300),
    mount('b/npm', 400),
    mount('team-web/npm', 400),
    mount('old/x', 5),
  ],
  layers: [layer('base', 9), layer('own', 7), layer('lost', 3)],
  layerUsers: new Map([
    ['base', ['team web hot', 'team web rare']],
    ['own', ['team web rare']],
  ]),
  usages: [used('team web hot', 'a/npm', 'a/dist', 'team-web/npm'), used('team web rare', 'b/npm', 'team-web/npm')],
  pool: undefined,
  repos: new Map([
    ['team web hot', learned(20, 400_000)],
    ['team web rare', learned(0.1, 400_000)],
  ]),
  now: NOW,
};

test('learnedSaving grows with demand and with what warmth saves, and is 0 for a repo that isn’t built', () => {
  const saving = learnedSaving(learned(10, 100_000), undefined, NOW);
  expect(learnedSaving(learned(20, 100_000), undefined, NOW)).toBeCloseTo(2 * saving);
  expect(learnedSaving(learned(10, 190_000), undefined, NOW)).toBeCloseTo(2 * saving);
  expect(learnedSaving(undefined, undefined, NOW)).toBe(0);
});

test('builderCaches are evicted in the order of unknown ones, those of rarely built repos, and hot ones last', () => {
  const order = evictionOrder(builderCaches(SCENE), NOW).map(({ id }) => id);
  expect(order.slice(0, 2).sort()).toEqual(['layers ', 'old/x']);
  expect(order.indexOf('b/npm')).toBeLessThan(order.indexOf('a/npm'));
  expect(order.at(-1)).toMatch(/^(a\/|team-web)/);
});

test('builderCaches name the one repo and team that use a cache, and leave out layers that several repos use', () => {
  const caches = new Map(builderCaches(SCENE).map((cache) => [cache.id, cache]));
  expect(caches.get('a/npm')).toMatchObject({
    repo: 'team web hot',
    team: 'web',
    kind: 'dependencies',
    records: ['r-a/npm'],
  });
  expect(caches.get('team-web/npm')).toMatchObject({ repo: undefined, team: 'web' });
  expect(caches.get('layers team web rare')).toMatchObject({ records: ['own'], bytes: 7 });
  expect(caches.get('layers ')).toMatchObject({ records: ['lost'], savesPerHour: 0 });
  expect([...caches.values()].flatMap(({ records }) => records)).not.toContain('base');
});
