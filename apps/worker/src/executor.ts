import type { Readable } from 'node:stream';
import type { BuildSpec, LogRecord } from '@kiln/contracts';
import type { Isolation, LayerRecord, MountRecord, Outcome, Trust } from '@kiln/domain';
import type { RegistryLogin } from '@kiln/state';
import type { CommitDockerfile } from './commit-dockerfile.ts';

/** What an attempt builds from: a commit of a git remote, or a tar that is read once. */
export type AttemptSource =
  | {
      readonly type: 'git';
      readonly url: string;
      readonly commit: string;
      readonly subdir?: string;
      /** The Dockerfile of the commit, for builders that have to know which frontend it names; undefined where there is none. */
      dockerfile(signal: AbortSignal): Promise<CommitDockerfile | undefined>;
    }
  | { readonly type: 'tar'; open(): Promise<Readable> };

export interface ExecuteRequest {
  readonly buildId: string;
  readonly attempt: number;
  readonly spec: BuildSpec;
  readonly trust: Trust;
  /** Cache key of the repo. */
  readonly repo: string;
  readonly source: AttemptSource;
  readonly secrets: ReadonlyMap<string, string>;
  readonly registryLogins: readonly RegistryLogin[];
  /** Texts that no log may show, beside values and passwords. */
  readonly hidden: readonly string[];
  /** Stores the final stage's files where `spec.output.type` is `artifact`. */
  artifact?(stream: Readable): Promise<{ digest: string; sizeBytes: number }>;
  /** Takes the log, record by record; a returned promise asks to wait. */
  sink(record: LogRecord): void | Promise<void>;
}

/** … and the key of its isolation domain, by which an executor knows its own. */
export interface DomainRequest extends ExecuteRequest {
  readonly domain: string;
}

/** What the executor's caches really hold. */
export interface ExecutorInventory {
  /** ms since the epoch. */
  readonly readAt: number;
  readonly sizesAreFloors: boolean;
  readonly usedBytes: number;
  readonly mounts: readonly (MountRecord & { readonly records: readonly string[] })[];
  readonly layers: readonly LayerRecord[];
}

/** Who runs builds of one isolation domain on this host. `@kiln/buildkit`'s Builder is the real one. */
export interface Executor {
  readonly info: {
    /** Absent: trusted. */
    readonly trust?: Trust;
    /** Key of its isolation domain. Absent: that of the pool's builds of its class. */
    readonly domain?: string;
    readonly driver: 'docker' | 'docker-container';
    readonly engineVersion: string;
    readonly buildxVersion: string;
    readonly buildkitVersion?: string;
    readonly platforms: readonly string[];
    readonly cacheBudget?: { readonly bytes: number; readonly from: 'configured' | 'engine' | 'estimated' };
  };
  /** Resolves when nothing of the attempt runs any more. An aborted `signal` stops it; its reason is a StopReason. */
  run(request: DomainRequest, signal: AbortSignal): Promise<Outcome>;
  /** Everything is killed at `untilMs` (ms since the epoch) unless this is called again before. */
  extendFence(untilMs: number): Promise<void>;
  /** What its caches hold now; absent where it has none. Rejects when it can't tell. */
  inventory?(): Promise<ExecutorInventory>;
  /** Rejects while what runs the builds doesn't answer; absent where there is nothing that could be away. */
  ping?(): Promise<void>;
  /** Removes what of its caches is worth the least, until they take at most so many bytes; absent where that isn't Kiln's to do. */
  trim?(toBytes: number): Promise<void>;
  close(): Promise<void>;
}

/** What a host runs builds with: an executor for each isolation domain, some of which may be stopped. `@kiln/buildkit`'s HostBuilders is the real one. */
export interface ExecutorSource {
  readonly info: Omit<Executor['info'], 'trust' | 'domain'> & {
    readonly trust: readonly Trust[];
    readonly isolation: Isolation;
    /** Whether it serves one isolation domain only, the first whose build comes. */
    readonly oneDomain: boolean;
    /** What the domains of a class share of the budget; absent where nothing of Kiln's rules it. */
    readonly cacheBudgets?: Readonly<Partial<Record<Trust, number>>>;
  };
  /** The one domain that it serves, once there is one. */
  readonly domain: string | undefined;
  /** Domains whose executors are up. */
  readonly running: readonly string[];
  /** Domains whose caches are here, up or not. */
  stored(): Promise<readonly string[]>;
  /** Brings the domain's executor up. Rejects with a DomainTaken where the host serves another one. */
  open(domain: string, cacheBudgetBytes?: number): Promise<Executor>;
  /** Stops the domain's executor; its caches stay. */
  stop(domain: string): Promise<void>;
  /** Removes the domain's caches for good. */
  discard(domain: string): Promise<void>;
  /** Rejects while nothing could run here; absent where that can't be. */
  ping?(): Promise<void>;
}

/**
 * Why an attempt is stopped from outside. `fence`: this worker may no longer run it; somebody else will. `drain`: the host is to be
 * empty; it hands back what hasn't ended.
 */
export type StopReason = 'cancel' | 'fence' | 'drain';
