import { type BlobStore, openBlobs, storedTrees } from '@kiln/blobs';
import { parseSecretKeys } from '@kiln/runtime';
import { MeteredBlobs, type State } from '@kiln/state';
import type { PoolAccess } from '../settings/settings.ts';
import { ApiSnapshots } from '../snapshots/api-snapshots.ts';
import { StoredSnapshots } from '../snapshots/stored-snapshots.ts';
import type { WorkerDeps } from '../worker-options.ts';
import { ApiBlobs } from './api-blobs.ts';
import { ApiTrees } from './api-trees.ts';
import { joinPool } from './join.ts';
import { StoreBlobs } from './store-blobs.ts';

type BlobAccess = Pick<WorkerDeps, 'openContext' | 'trees' | 'storeArtifact' | 'storeTrace' | 'snapshots'>;

/** What a worker needs to connect to its pool. */
export interface PoolEntry {
  readonly redisUrl: string;
  readonly namespace: string;
  readonly secretKeys: readonly Buffer[];
  blobs(state: State): BlobAccess;
  /** The API's `KILN_REDIS_MIN_REPLICAS`. */
  readonly minReplicas?: number | undefined;
}

/** Gets a worker's access to its pool: from the API, or from its own settings. @throws JoinFailed @throws BlobStoreUnfit */
export async function enterPool(access: PoolAccess, hostName: string): Promise<PoolEntry> {
  if (access.type === 'join') {
    const { url, token, redisUrl } = access;
    const grant = await joinPool({ url, token, hostName, redisUrl });
    return {
      ...grant,
      secretKeys: parseSecretKeys(grant.secretKey, 'secretKey of the API’s answer'),
      blobs: () => throughApi(url, token),
    };
  }
  const { blobs } = access;
  if ('url' in blobs) return { ...access, blobs: () => throughApi(blobs.url, blobs.token) };
  const store = await openBlobs(blobs.place);
  return { ...access, blobs: (state) => shared(store, blobs.reserveBytes, state) };
}

function throughApi(url: string, token: string): BlobAccess {
  const remote = new ApiBlobs(url, token);
  const trees = new ApiTrees(url, token);
  return {
    snapshots: new ApiSnapshots(url, token),
    trees: (team) => trees.of(team),
    openContext: (digest, signal) => remote.openContext(digest, signal),
    storeArtifact: (ref, content) => remote.storeArtifact(ref, content),
    storeTrace: (ref, packed) => remote.storeTrace(ref, packed),
  };
}

function shared(
  store: BlobStore,
  reserveBytes: number,
  { builds, storage, treeLocks, limits }: Pick<State, 'builds' | 'storage' | 'treeLocks' | 'limits'>,
): BlobAccess {
  const metered = new MeteredBlobs(store, {
    ledger: storage,
    teamOf: async (id) => (await builds.get(id))?.record.team,
    reserveBytes,
    now: Date.now,
  });
  const blobs = new StoreBlobs(store, metered);
  return {
    snapshots: new StoredSnapshots(store, metered, { treeLocks, limits }),
    trees: (team) => storedTrees(store, team),
    openContext: (digest, signal) => blobs.openContext(digest, signal),
    storeArtifact: (ref, content, record) => blobs.storeArtifact(ref, content, record),
    storeTrace: (ref, packed) => blobs.storeTrace(ref, packed),
  };
}
