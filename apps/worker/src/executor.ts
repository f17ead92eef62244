import type { Readable } from 'node:stream';
import type { BuildSpec, LogRecord } from '@kiln/contracts';
import type { LayerRecord, MountRecord, Outcome, Trust } from '@kiln/domain';
import type { RegistryLogin } from '@kiln/state';

/** What an attempt builds from: a commit of a git remote, or a tar that is read once. */
export type AttemptSource =
  | { readonly type: 'git'; readonly url: string; readonly commit: string; readonly subdir?: string }
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

/** What the executor's caches really hold. */
export interface ExecutorInventory {
  /** ms since the epoch. */
  readonly readAt: number;
  readonly sizesAreFloors: boolean;
  readonly usedBytes: number;
  readonly mounts: readonly (MountRecord & { readonly records: readonly string[] })[];
  readonly layers: readonly LayerRecord[];
}

/** Who runs builds of one class of trust on this host. `@kiln/buildkit`'s Builder is the real one. */
export interface Executor {
  readonly info: {
    /** Absent: trusted. */
    readonly trust?: Trust;
    readonly driver: 'docker' | 'docker-container';
    readonly engineVersion: string;
    readonly buildxVersion: string;
    readonly buildkitVersion?: string;
    readonly platforms: readonly string[];
    readonly cacheBudget?: { readonly bytes: number; readonly from: 'configured' | 'engine' | 'estimated' };
  };
  /** Resolves when nothing of the attempt runs any more. An aborted `signal` stops it; its reason is a StopReason. */
  run(request: ExecuteRequest, signal: AbortSignal): Promise<Outcome>;
  /** Everything is killed at `untilMs` (ms since the epoch) unless this is called again before. */
  extendFence(untilMs: number): Promise<void>;
  /** What its caches hold now; absent where it has none. Rejects when it can't tell. */
  inventory?(): Promise<ExecutorInventory>;
  /** Rejects while what runs the builds doesn't answer; absent where there is nothing that could be away. */
  ping?(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Why an attempt is stopped from outside. `fence`: this worker may no longer run it; somebody else will. `drain`: the host is to be
 * empty; it hands back what hasn't ended.
 */
export type StopReason = 'cancel' | 'fence' | 'drain';
