import { FIRST_GUESS } from '@kiln/domain';
import { InventoryStore, Leadership, UsageStore } from '@kiln/state';
import type { SchedulerPool } from './scheduler-pool.ts';

/** Publishes the cache mounts of a host: bytes by mount id. */
export async function publishCaches(
  { state, now }: SchedulerPool,
  host: string,
  mounts: Readonly<Record<string, number>>,
): Promise<void> {
  await new InventoryStore(state.redis, state.keys).publish(
    { host, incarnation: 'i1' },
    {
      ...{ sizesAreFloors: false, usedBytes: 100, mountsLeftOut: 0, layers: { count: 0, bytes: 0 }, repoLayers: [] },
      mounts: Object.entries(mounts).map(([id, bytes]) => ({ id, bytes, lastUsedAt: now(), inUse: false, records: 1 })),
    },
    now(),
  );
}

/** Stores that builds with this cache key use the mounts: bytes by mount id. */
export async function learnUsage(
  { state }: SchedulerPool,
  host: string,
  key: string,
  mounts: Readonly<Record<string, number>>,
): Promise<void> {
  const used = Object.entries(mounts).map(([id, bytes]) => ({ id, bytes }));
  await new UsageStore(state.redis, state.keys).learn({ host, incarnation: 'i1' }, key, {
    ...{ mounts: used, layerBytes: 0, sizesAreFloors: false },
  });
}

/** The only cache mount that builds of `app` use, once `learnApp` was called. */
export const APP_CACHE = { 'app//go': 100 };

/**
 * Stores what is learned from many builds of `app`: they use `APP_CACHE`, and take 20 s with it and 200 s without. Host `a` must have joined.
 * @param others repos of which the same is learned, each with a mount `<repo>//go` of the same size
 */
export async function learnApp(pool: SchedulerPool, others: readonly string[] = []): Promise<void> {
  const { state, now } = pool;
  const repos = ['app', ...others];
  for (const repo of repos) await learnUsage(pool, 'a', repo, { [`${repo}//go`]: APP_CACHE['app//go'] });
  const runs = (mean: number) => ({ mean, samples: 9, drift: 0, spread: 0 });
  const estimate = { warm: runs(20_000), cold: runs(200_000), bytes: 100 };
  const leadership = new Leadership(state.redis, state.keys, 'before', 60_000);
  const token = (await leadership.hold()) ?? '';
  const learned = { estimate: FIRST_GUESS, horizonMs: 3_600_000, watchedSince: now() - 3_600_000 };
  const each = { estimate, demand: { value: 1, at: now() } };
  await state.learned.save(
    learned,
    repos.map((repo) => [repo, each]),
    token,
  );
  await leadership.release();
}
