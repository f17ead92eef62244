import { randomBytes } from 'node:crypto';
import { SnapshotWriter } from '@kiln/blobs';
import { cacheNamespace, type MountPlace, MountUnreachable } from '@kiln/buildkit';
import type { SnapshotView } from '@kiln/contracts';
import { createLogger } from '@kiln/runtime';
import type { Digest, TreePart, TreeReader } from '@kiln/trees';
import { expect, test } from 'vitest';
import type { Executor } from '../engine/executor.ts';
import type { SavedSnapshot, SnapshotStore } from '../snapshots/snapshot-store.ts';
import { saveCaches } from './save-caches.ts';
import { seedCaches } from './seed-caches.ts';

const ID = '01j00000000000000000000000';
const log = createLogger({ app: 'test', level: 'silent' });
const context = { id: ID, signal: new AbortController().signal, progress: async () => {}, park: () => {} };

/** Snapshots in memory. */
class Store implements SnapshotStore {
  readonly parts = new Map<string, TreePart>();
  readonly snapshots = new Map<string, SnapshotView>();
  stored = 0;

  target = () => ({
    missingFiles: async (digests: readonly Digest[]) => digests.filter((digest) => !this.parts.has(digest)),
    store: async (parts: readonly TreePart[]) => {
      for (const part of parts) this.parts.set(part.type === 'file' ? part.digest : part.object.digest, part);
      this.stored += parts.length;
    },
  });
  add = async ({ manifest, ...rest }: SavedSnapshot) => {
    const view = { format: 1, ...rest, createdAt: '2026-01-01T00:00:00Z', storedBytes: 1, mounts: manifest.mounts };
    this.snapshots.set(rest.id, view);
    return view;
  };
  find = async (id: string) => this.snapshots.get(id);
  readonly trees = (): TreeReader => ({
    read: async function* (
      this: Store,
      { directories, files }: { directories: readonly string[]; files: readonly string[] },
    ) {
      for (const digest of [...directories, ...files]) yield this.parts.get(digest) as TreePart;
    }.bind(this) as TreeReader['read'],
  });
}

const OWNER = { uid: 1000, gid: 0, mode: 0o700 };

/** A host whose builders are maps from mount to content; RUNs set an owner for those that have `owned`. */
function host(store: Store, builders: Record<string, Record<string, string>>) {
  const executor = (domain: string): Executor =>
    ({
      inventory: async () => ({
        mounts: Object.keys(builders[domain] ?? {}).map((id) => ({
          id,
          bytes: 1,
          lastUsedAt: 1,
          inUse: false,
          records: [],
        })),
      }),
      async saveMount({ namespace, id }: MountPlace, take: (tar: AsyncIterable<Uint8Array>) => Promise<void>) {
        const text = builders[domain]?.[`${namespace}/${id}`] ?? '';
        if (text === 'unreachable') throw new MountUnreachable(id);
        await take(bytes(text));
        return { entries: 1, changed: false, ...(text === 'owned' && { owner: OWNER }) };
      },
      async seedMount({ namespace, id, owner }: MountPlace, tar: { content: AsyncIterable<Uint8Array> }) {
        const parts = await Array.fromAsync(tar.content);
        const own = builders[domain] as Record<string, string>;
        if (own[`${namespace}/${id}`] !== undefined) return 'kept';
        own[`${namespace}/${id}`] = Buffer.concat(parts).toString() + (owner ? ` by ${JSON.stringify(owner)}` : '');
        return 'seeded';
      },
    }) as unknown as Executor;
  const executors = {
    domains: Object.keys(builders),
    with: (domain: string, use: (one: Executor) => Promise<void>) => use(executor(domain)),
  };
  const deps = { host: 'h1', snapshots: store, trees: store.trees, executors, log };
  return { save: saveCaches(deps), seed: seedCaches(deps) };
}

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

const TRUSTED = 'trusted team web';
const UNTRUSTED = 'untrusted team web';
const KEY = 'team web app';
/** Namespaces of the repo's mounts, which only the trust class tells apart. */
const namespace = (repo: string) => cacheNamespace({ repo, team: 'web', scope: 'repo' });

test('saves a repo’s own mounts, names those that can’t be read, and doesn’t save a second time', async () => {
  const store = new Store();
  const own = namespace(KEY);
  const { save } = host(store, {
    [TRUSTED]: {
      [`${own}//a`]: 'a',
      [`${own}/b`]: 'unreachable',
      'team-web//shared': 's',
      [`${namespace('team web other')}//a`]: 'x',
    },
  });
  const order = { type: 'save', repo: KEY, domain: TRUSTED, snapshot: ID } as const;
  expect(await save(order, context)).toMatchObject({ snapshot: ID, mounts: 1, left: [{ id: 'b' }] });
  expect(store.snapshots.get(ID)).toMatchObject({
    repo: 'app',
    team: 'web',
    trust: 'trusted',
    host: 'h1',
    mounts: [{ id: '/a' }],
  });
  const { stored } = store;
  await save(order, context);
  expect(store.stored).toBe(stored);
  await expect(save({ ...order, snapshot: ID.replace('0', '1'), repo: 'team web never' }, context)).rejects.toThrow(
    'host h1 has no cache mounts of never',
  );
});

test('fills the mounts that the builder lacks, in the namespace of the builds that get them', async () => {
  const store = new Store();
  await host(store, { [TRUSTED]: { [`${namespace(KEY)}//a`]: 'a', [`${namespace(KEY)}//b`]: 'b' } }).save(
    { type: 'save', repo: KEY, domain: TRUSTED, snapshot: ID },
    context,
  );
  const fork = `untrusted web app`;
  const cold: Record<string, string> = { [`${namespace(fork)}//a`]: 'own' };
  const order = { type: 'seed', repo: fork, domain: UNTRUSTED, snapshot: ID } as const;
  expect(await host(store, { [UNTRUSTED]: cold }).seed(order, context)).toMatchObject({ seeded: ['/b'], kept: ['/a'] });
  expect(cold).toEqual({ [`${namespace(fork)}//a`]: 'own', [`${namespace(fork)}//b`]: 'b' });
});

test('fills a mount with the owner and mode that the builds’ steps set', async () => {
  const store = new Store();
  const [a, b] = [`${namespace(KEY)}//a`, `${namespace(KEY)}//b`];
  const { save } = host(store, { [TRUSTED]: { [a]: 'plain', [b]: 'owned' } });
  await save({ type: 'save', repo: KEY, domain: TRUSTED, snapshot: ID }, context);
  const cold: Record<string, string> = {};
  await host(store, { [TRUSTED]: cold }).seed({ type: 'seed', repo: KEY, domain: TRUSTED, snapshot: ID }, context);
  expect(cold).toEqual({ [a]: 'plain', [b]: `owned by ${JSON.stringify(OWNER)}` });
});

test('an order never brings content of untrusted builds, or of another team, into a trusted builder', async () => {
  const store = new Store();
  const fork = 'untrusted web app';
  await host(store, { [UNTRUSTED]: { [`${namespace(fork)}//a`]: 'planted' } }).save(
    { type: 'save', repo: fork, domain: UNTRUSTED, snapshot: ID },
    context,
  );
  expect(store.snapshots.get(ID)?.trust).toBe('untrusted');
  const builders: Record<string, Record<string, string>> = { [TRUSTED]: {}, [UNTRUSTED]: {}, 'trusted team ops': {} };
  const { seed } = host(store, builders);
  for (const [repo, domain] of [
    [KEY, TRUSTED],
    [fork, TRUSTED],
    ['team ops app', 'trusted team ops'],
    [KEY, UNTRUSTED],
  ] as const)
    await expect(seed({ type: 'seed', repo, domain, snapshot: ID }, context)).rejects.toThrow(/^snapshot 01j/);
  expect(Object.values(builders)).toEqual([{}, {}, {}]);
});

test('a damaged or incomplete snapshot fills nothing', async () => {
  const store = new Store();
  const writer = new SnapshotWriter(store.target());
  const mount = await writer.addMount({ id: '/a', kind: 'outputs' }, bytes('content'));
  writer.keep({ ...mount, digest: `sha256:${'0'.repeat(64)}` });
  const { root, manifest } = await writer.finish();
  await store.add({ id: ID, repo: 'app', team: 'web', trust: 'trusted', root, host: 'h1', manifest });
  const builders = { [TRUSTED]: {} };
  const order = { type: 'seed', repo: KEY, domain: TRUSTED, snapshot: ID } as const;
  await expect(host(store, builders).seed(order, context)).rejects.toThrow('the snapshot is damaged');
  expect(builders).toEqual({ [TRUSTED]: {} });
  await expect(host(store, builders).seed({ ...order, snapshot: ID.replace('0', '1') }, context)).rejects.toThrow(
    'there is no snapshot',
  );
});

test('a seed that the store breaks off fills no further mount, and repeating it fills what is left', async () => {
  const store = new Store();
  // Large enough to be stored beside the manifest.
  const [one, two] = [randomBytes(200_000).toString('hex'), randomBytes(200_000).toString('hex')];
  const mounts = { [`${namespace(KEY)}//a`]: one, [`${namespace(KEY)}//b`]: two };
  await host(store, { [TRUSTED]: mounts }).save({ type: 'save', repo: KEY, domain: TRUSTED, snapshot: ID }, context);
  const files = [...store.parts.values()].filter(({ type }) => type === 'file');
  const lost = files.at(-1) as TreePart & { type: 'file' };
  store.parts.delete(lost.digest);
  const cold: Record<string, string> = {};
  const order = { type: 'seed', repo: KEY, domain: TRUSTED, snapshot: ID } as const;
  const { seed } = host(store, { [TRUSTED]: cold });
  await expect(seed(order, context)).rejects.toThrow();
  expect(cold).toEqual({ [`${namespace(KEY)}//a`]: one });
  store.parts.set(lost.digest, lost);
  expect(await seed(order, context)).toMatchObject({ seeded: ['/b'], kept: ['/a'] });
  expect(cold).toEqual(mounts);
});
