import type { BlobStore, SnapshotBook, TreeStore } from '@kiln/blobs';
import type { OpenMetrics } from '@kiln/metrics';
import type { OutgoingGuard } from '@kiln/runtime';
import type {
  BuildStore,
  HostOperations,
  HostStore,
  MeteredBlobs,
  PoolEvents,
  State,
  StorageLedger,
} from '@kiln/state';
import type { Logger } from 'pino';
import type { HookDeps } from './hooks/ports.ts';

/** The builds as handlers use them: all of the pool, or only those that one principal may see. */
export type Builds = Pick<
  BuildStore,
  'accept' | 'get' | 'record' | 'list' | 'cancel' | 'secretsOf' | 'decisions' | 'lastDecisions' | 'queuedBefore'
>;

/** The public members of a class, which objects of other classes can have, too. */
type Methods<T> = { readonly [Name in keyof T]: T[Name] };

/** The stores of the pool that the API uses as they are. */
type Stores = {
  readonly [Name in
    | 'audit'
    | 'buildSecrets'
    | 'cacheReferences'
    | 'contextTeams'
    | 'evictions'
    | 'history'
    | 'learned'
    | 'limits'
    | 'logs'
    | 'memory'
    | 'modeDefaults'
    | 'rates'
    | 'resealer'
    | 'schedules'
    | 'sealer'
    | 'secrets'
    | 'sessions'
    | 'savings'
    | 'tasks'
    | 'tokens'
    | 'treeLocks']: Methods<State[Name]>;
};

/** What the API is started with. Each consumer takes only the methods that it calls. */
export interface ApiDeps extends HookDeps, Stores {
  readonly builds: Builds;
  readonly hosts: Pick<HostStore, 'list' | 'get' | 'mountUsers'>;
  readonly hostOperations: Pick<HostOperations, 'cordon' | 'uncordon' | 'drain' | 'change' | 'remove'>;
  readonly storage: StorageLedger;
  readonly events: Pick<PoolEvents, 'subscribe'>;
  /** The state of Redis' replicas; absent: `/readyz` doesn't report it. */
  readonly replicas?: State['replicas'];
  readonly diagnose: State['diagnose'];
  /** Checks and makes requests to addresses that users name. */
  readonly outgoing: Pick<OutgoingGuard, 'check' | 'fetch'>;
  readonly blobs: BlobStore;
  /** Served at `/metrics`. Default: nothing is recorded. */
  readonly metrics?: Pick<OpenMetrics, 'count' | 'observe' | 'collect' | 'text' | 'contentType'>;
  readonly log: Logger;
  /** ms since the epoch. */
  readonly now?: () => number;
}

/** `ApiDeps` with a blob store that counts what each team stores, and the trees in it. */
export type MeteredDeps = Omit<ApiDeps, 'blobs'> & {
  readonly blobs: MeteredBlobs;
  readonly trees: TreeStore;
  readonly snapshots: SnapshotBook;
};
