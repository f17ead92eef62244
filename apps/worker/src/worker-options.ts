import type { Readable } from 'node:stream';
import type { HostDisk, HostNetwork } from '@kiln/contracts';
import type { Amount, BuildRecord, RepairLimits } from '@kiln/domain';
import type { GitGuard } from '@kiln/git';
import type { Metrics, Traces } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import type { AttemptRef, State, WorkerIdentity } from '@kiln/state';
import type { TreeReader } from '@kiln/trees';
import type { GitMirrors } from './attempt/git-mirrors.ts';
import type { ExecutorSource } from './engine/executor.ts';
import type { LeaseTimes } from './session/host-session.ts';
import type { SnapshotStore } from './snapshots/snapshot-store.ts';

export interface WorkerOptions extends LeaseTimes {
  readonly hostName: string;
  readonly slots: number;
  /** How often the caches are read, besides after each build, ms. Default: `DEFAULT_INVENTORY_EVERY_MS`. */
  readonly inventoryEveryMs?: number;
  /** File of the layer ledger; other ledgers are stored beside it. Default: none, ledgers are lost with the process. */
  readonly ledgerFile?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** What is set for the builders, to report it. */
  readonly network?: HostNetwork;
  /** How long a domain's builder is kept running without a build, ms. Default: forever. */
  readonly builderIdleMs?: number;
  /** How long a builder's broken state is kept, ms; 0: not at all. Default: seven days. */
  readonly keepBrokenMs?: number;
  /** How often builders are repaired. Default: `REPAIR_LIMITS`. */
  readonly repairLimits?: RepairLimits;
  /** How often the cache budget is divided among the isolation domains, ms. */
  readonly shareEveryMs?: number;
  /** Free disk below which caches are evicted and, if that isn't enough, no builds taken. Default: 1 GB, or 5% of a smaller disk. */
  readonly minFreeDisk?: Amount;
  /** What the caches of a repo, and of a team, may take of the cache budget. Default: all of it. */
  readonly repoCacheCap?: Amount;
  readonly teamCacheCap?: Amount;
  /** What the archives of a repo's caches may take in the blob store. Default: 100 GB. */
  readonly repoArchiveCapBytes?: number;
  /** Whether the worker leaves when an operator's drain is complete. Default: it stays, drained, until the host is uncordoned. */
  readonly exitWhenDrained?: boolean;
  /** How long a drained worker with caches then waits for the leader's word about them, since its last task ended, ms. Default: a minute. */
  readonly unmarkedMs?: number;
}

export interface WorkerDeps
  extends Pick<State, 'redis' | 'keys' | 'sealer' | 'builds' | 'buildSecrets' | 'connections' | 'events'>,
    Partial<Pick<State, 'replication'>> {
  readonly executors: ExecutorSource;
  readonly identity: WorkerIdentity;
  /** Opens an uploaded context by its digest; undefined if it is no longer stored. */
  openContext(digest: string, signal: AbortSignal): Promise<Readable | undefined>;
  /** Reads the objects of a team's trees. Waits for an API that is away. */
  trees(team: string): TreeReader;
  /** The pool's snapshots of caches. Default: this worker saves and seeds none. */
  readonly snapshots?: SnapshotStore | undefined;
  /** Stores an artifact within the limits in the build's record. */
  storeArtifact(
    ref: AttemptRef,
    content: Readable,
    record: BuildRecord,
  ): Promise<{ digest: string; sizeBytes: number }>;
  /** Stores the record of what an attempt used and did, packed. Default: none is stored. */
  storeTrace?(ref: AttemptRef, packed: Buffer): Promise<void>;
  /** Keeps git and requests to forges from reaching addresses of the internal network. */
  readonly outgoing: GitGuard & { readonly fetch: typeof fetch };
  /** The host's mirrors of git remotes. Default: BuildKit checks out every commit as a whole. */
  readonly mirrors?: Pick<GitMirrors, 'commit'> | undefined;
  /** Measures the disk with the worker's data. */
  disk?(): Promise<HostDisk | undefined>;
  readonly log: Logger;
  /** Default: nothing is recorded. */
  readonly metrics?: Metrics;
  /** Default: attempts are not traced. */
  readonly traces?: Pick<Traces, 'ran'>;
  readonly now?: () => number;
  /** Called after each report that the pool has accepted. */
  readonly onReport?: () => void;
  /** How often the engine is checked, ms. Default: `ENGINE_CHECK_EVERY_MS`. */
  readonly engineCheckEveryMs?: number;
}
