import type { CacheState, HostSpec, PriorityClass } from '../trace/trace.ts';

/** The events of the line protocol (docs/develop/placement.md). Times in seconds; `t` never decreases. */
export type PolicyEvent =
  | {
      readonly type: 'init';
      readonly t: number;
      readonly hosts: readonly HostSpec[];
      readonly classes: readonly PriorityClass[];
      readonly seed: number;
      /** Whether queued builds name their `dep`. */
      readonly dep_known: boolean;
    }
  | ({ readonly type: 'host_up'; readonly t: number } & HostSpec)
  | { readonly type: 'host_drain' | 'host_down'; readonly t: number; readonly host: string }
  | QueuedEvent
  | {
      readonly type: 'build_started';
      readonly t: number;
      readonly build: string;
      readonly host: string;
      readonly cache: CacheState;
    }
  | FinishedEvent
  | SeededEvent
  | { readonly type: 'wake' | 'end'; readonly t: number };

export interface QueuedEvent {
  readonly type: 'build_queued';
  readonly t: number;
  readonly build: string;
  readonly repo: string;
  readonly prio: number;
  readonly dep?: Dep | undefined;
  readonly submitted: number;
  readonly attempt: number;
  /** Kiln's own additions. Defaults: 1, and one team for all. */
  readonly weight?: number | undefined;
  readonly team?: string | undefined;
}

export interface FinishedEvent {
  readonly type: 'build_finished';
  readonly t: number;
  readonly build: string;
  readonly host: string;
  readonly run_s: number;
  readonly size: number;
  readonly evicted: readonly string[];
  readonly dep?: Dep | undefined;
}

/** A seed that the policy asked for has ended. Only in simulations with seeding, not in the line protocol. */
export interface SeededEvent {
  readonly type: 'seed_finished';
  readonly t: number;
  readonly repo: string;
  readonly host: string;
  readonly from: string;
  /** False if one of the hosts was lost, or the source had no cache. */
  readonly arrived: boolean;
  readonly evicted: readonly string[];
}

/** A copy of a cache that a policy wants. Times in seconds. */
export interface SeedOrder {
  readonly repo: string;
  readonly from: string;
  readonly to: string;
  readonly seconds: number;
}

/** Version of a dependency set; only compared for equality. */
export type Dep = string | number;

export interface PolicyDecision {
  readonly assign: readonly { readonly build: string; readonly host: string }[];
  /** When to ask again even if nothing has happened. */
  readonly wake?: number | undefined;
}

/** A placement policy: Kiln's own, or one that it is compared with. */
export interface Policy {
  handle(event: PolicyEvent): void;
  decide(t: number): PolicyDecision;
  /** Returns the seeds that it has decided on since the last call. */
  seeds?(): readonly SeedOrder[];
  /** What the repo's cache on a host is expected to save, for eviction by worth. */
  savesPerHour?(repo: string): number;
}
