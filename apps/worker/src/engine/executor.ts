import type {
  Builder,
  BuilderInfo,
  BuilderInventory,
  HostBuilders,
  HostBuildersInfo,
  RunRequest,
  StopCause,
} from '@kiln/buildkit';
import type { MountRecord, Trust } from '@kiln/domain';
import type { AttemptReading } from '../caches/attempt-reading.ts';

/** Is told what the caches are before and after an attempt. Its calls must not throw. */
export interface CacheObserver {
  /** @param mounts as they were last read; undefined if they weren't @param domain key of the builder's isolation domain */
  before(mounts: readonly MountRecord[] | undefined, domain: string): void;
  /** Called after the attempt has ended, or never. */
  after(reading: AttemptReading): void;
}

/** A build as an attempt hands it over: nothing but the isolation domain is left to defaults. */
export interface ExecuteRequest extends Omit<RunRequest, 'domain'> {
  readonly trust: Trust;
  readonly registryLogins: NonNullable<RunRequest['registryLogins']>;
  readonly hidden: NonNullable<RunRequest['hidden']>;
  readonly caches?: CacheObserver | undefined;
}

/** An `ExecuteRequest` with the key of the build's isolation domain, which the executor checks against its own. */
export interface DomainRequest extends ExecuteRequest {
  readonly domain: string;
}

type DefaultedInfo = 'trust' | 'cacheBudget';

/**
 * Runs the builds of one isolation domain on this host: a `Builder`. Members are optional where an executor may have no caches, no budget of
 * its own, or nothing that could stop answering.
 */
export interface Executor
  extends Pick<Builder, 'extendFence' | 'close'>,
    Partial<Pick<Builder, 'forget' | 'probe' | 'inventory' | 'ping' | 'prune' | 'trim' | 'saveMount' | 'seedMount'>> {
  /** Without `trust`, `trusted`. */
  readonly info: Omit<BuilderInfo, DefaultedInfo> & Partial<Pick<BuilderInfo, DefaultedInfo>>;
  /** Resolves when nothing of the attempt runs any more. To stop it, abort `signal` with a `StopReason`. */
  run(request: DomainRequest, signal: AbortSignal): ReturnType<Builder['run']>;
}

export type ExecutorInventory = BuilderInventory;

/** The executors of a host, one for each isolation domain, some of which may be stopped: `HostBuilders`. */
export interface ExecutorSource
  extends Pick<HostBuilders, 'domain' | 'running' | 'stored' | 'stop' | 'discard'>,
    Partial<Pick<HostBuilders, 'ping' | 'whyDown' | 'renew' | 'removeBroken' | 'evaluateBake'>> {
  readonly info: Omit<HostBuildersInfo, 'cacheBudget'> & Partial<Pick<HostBuildersInfo, 'cacheBudget'>>;
  /**
   * Brings the domain's executor up, with `cacheBudgetBytes` for its caches.
   * @throws EngineTaken where the host serves another domain
   */
  open(domain: string, cacheBudgetBytes?: number): Promise<Executor>;
}

/**
 * Why an attempt is stopped from outside. `fence`: this worker may no longer run it, because another host will. `drain`: the host is being
 * emptied and hands back what hasn't ended.
 */
export type StopReason = Exclude<StopCause, 'timeout'>;
