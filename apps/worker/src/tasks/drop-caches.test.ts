import { cacheNamespace } from '@kiln/buildkit';
import type { DropTask } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { ActiveBuilds } from '../executors/active-builds.ts';
import { CachingExecutor } from '../testing/caching-executor.ts';
import { type DropDeps, dropCaches } from './drop-caches.ts';
import type { TaskContext } from './task-handler.ts';

const WEB = 'team web app';
const OPS = 'team ops app';
const ns = (repo: string) => cacheNamespace({ repo, team: '', scope: 'repo' });
const DAY_MS = 86_400_000;

/** A host whose only builder, of all trusted builds, has mounts of two teams. */
function host() {
  const executor = new CachingExecutor('trusted', 1_000);
  executor.mount(`${ns(WEB)}//root/.npm`, 10);
  executor.mount(`${ns(WEB)}//app/dist`, 20);
  executor.mount(`${ns(OPS)}//root/.npm`, 40);
  executor.mount('team-web//root/.npm', 80);
  executor.layer('base', 1);
  executor.layer('own', 2, ['base']);
  const used = (repo: string, ...ids: string[]) => ({
    ...{ repo, layerBytes: 0, mounts: ids.map((id) => ({ id, bytes: 1, missed: 0 })) },
  });
  const usages = [
    used(WEB, `${ns(WEB)}//root/.npm`, `${ns(WEB)}//app/dist`, 'team-web//root/.npm'),
    used('team web other', 'team-web//root/.npm'),
    used(OPS, `${ns(OPS)}//root/.npm`),
  ];
  const active = new ActiveBuilds();
  const deps: DropDeps = {
    ...{ isolation: 'pool', domains: ['trusted'], active },
    usages: { of: async (repo) => usages.find((one) => one.repo === repo), all: async () => usages },
    layersOf: async () => ({
      users: () =>
        new Map([
          ['base', [WEB, OPS]],
          ['own', [WEB]],
        ]),
    }),
    with: async (_, use) => use(executor),
  };
  const notes: string[] = [];
  const leaving = new AbortController();
  const context: TaskContext = {
    ...{ id: 't', signal: leaving.signal, park: () => void notes.push('parked') },
    progress: async ({ note = '' }) => void notes.push(note),
  };
  const drop = (order: Omit<DropTask, 'type'>) =>
    dropCaches(deps, () => Date.now() + DAY_MS)({ type: 'drop', ...order }, context);
  const left = () => [...executor.mounts.keys()].map((id) => id.replace(ns(WEB), 'web').replace(ns(OPS), 'ops'));
  return { executor, active, drop, left, notes, leaving };
}

test('drops one mount of one repo, and names mounts of that name that it shares', async () => {
  const { drop, left } = host();
  expect(await drop({ repo: WEB, mounts: ['/root/.npm'] })).toEqual({
    ...{ freedBytes: 10, caches: 1, dropped: [{ id: `${ns(WEB)}//root/.npm`, bytes: 10 }] },
    ...{ shared: ['team-web//root/.npm'], inUse: [] },
  });
  expect(left()).toEqual(['web//app/dist', 'ops//root/.npm', 'team-web//root/.npm']);
});

test('drops shared mounts only where the order says so', async () => {
  const { drop, left } = host();
  await drop({ repo: WEB, shared: true });
  expect(left()).toEqual(['ops//root/.npm']);
});

test('drops by kind, and layers only if no other repo has used them', async () => {
  const { drop, left, executor } = host();
  expect(await drop({ repo: WEB, kinds: ['outputs', 'layers'] })).toMatchObject({ freedBytes: 22, caches: 2 });
  expect(left()).toEqual(['web//root/.npm', 'ops//root/.npm', 'team-web//root/.npm']);
  expect([...executor.layers.keys()]).toEqual(['base']);
});

test('drops only what a team’s repos use if the order names the team', async () => {
  const { drop, left } = host();
  await drop({ team: 'ops', kinds: ['dependencies'] });
  expect(left()).not.toContain('ops//root/.npm');
  expect(left()).toHaveLength(3);
});

test('drops only what was not used for long enough, and with dryRun nothing', async () => {
  const { drop, left } = host();
  expect(await drop({ unusedForMs: 2 * DAY_MS })).toMatchObject({ freedBytes: 0, dropped: [] });
  expect(await drop({ unusedForMs: DAY_MS, dryRun: true })).toMatchObject({ freedBytes: 153, caches: 5 });
  expect(left()).toHaveLength(4);
  expect(await drop({ unusedForMs: DAY_MS })).toMatchObject({ freedBytes: 153 });
  expect(left()).toEqual([]);
});

test('keeps what is in use, and says so, unless the order names a repo', async () => {
  const { drop, left, executor, notes } = host();
  executor.mount('team-web//root/.npm', 80, true);
  expect(await drop({})).toMatchObject({ inUse: ['team-web//root/.npm'] });
  expect(left()).toEqual(['team-web//root/.npm']);
  expect(notes).toEqual([]);
});

test('counts a mount whose build ended between the reading and the removal as dropped, not as in use', async () => {
  const { drop, executor } = host();
  executor.read = async () => {
    const contents = executor.contents();
    return { ...contents, mounts: contents.mounts.map((mount) => ({ ...mount, inUse: mount.bytes === 80 })) };
  };
  expect(await drop({})).toMatchObject({
    ...{ inUse: [], freedBytes: 153 },
    dropped: expect.arrayContaining([{ id: 'team-web//root/.npm', bytes: 80 }]),
  });
});

const build = (buildId: string, repo: string) =>
  ({ buildId, repo, trust: 'trusted', spec: { team: 'web', cacheScope: 'repo' } }) as never;

test('waits for the build that uses the mount, holds the repo’s next build until then, and lets others begin', async () => {
  const { drop, left, executor, active, notes } = host();
  const { signal } = new AbortController();
  const first = Promise.withResolvers<void>();
  const running = active.run(build('b1', WEB), signal, () => first.promise);
  executor.mount(`${ns(WEB)}//root/.npm`, 10, true);
  const dropping = drop({ repo: WEB, mounts: ['/root/.npm'] });
  while (!notes.includes('parked')) await new Promise(setImmediate);
  expect(notes[0]).toBe('in use by build b1; dropped when it ends');
  const seen: string[] = [];
  const next = active.run(build('b2', WEB), signal, async () => void seen.push(...left()));
  await active.run(build('b3', OPS), signal, async () => {});
  expect(seen).toEqual([]);
  executor.mount(`${ns(WEB)}//root/.npm`, 10, false);
  first.resolve();
  await running;
  expect(await dropping).toMatchObject({ freedBytes: 10, caches: 1 });
  await next;
  expect(seen).not.toContain('web//root/.npm');
});

test('a worker that leaves stops waiting, and lets the held builds go', async () => {
  const { drop, executor, active, leaving, notes } = host();
  executor.mount(`${ns(WEB)}//root/.npm`, 10, true);
  const dropping = drop({ repo: WEB });
  while (!notes.includes('parked')) await new Promise(setImmediate);
  leaving.abort();
  await expect(dropping).rejects.toThrow();
  await active.run(build('b', WEB), AbortSignal.timeout(60_000), async () => {});
});

test('a held build begins after the longest wait, or ends when it is stopped', async () => {
  const active = new ActiveBuilds(1);
  using _ = active.hold(WEB);
  expect(await active.run(build('b', WEB), new AbortController().signal, async () => 'ran')).toBe('ran');
  const stop = new AbortController();
  const held = new ActiveBuilds();
  using __ = held.hold(WEB);
  const stopped = held.run(build('b', WEB), stop.signal, async () => {});
  stop.abort('cancel');
  await expect(stopped).rejects.toBe('cancel');
});
