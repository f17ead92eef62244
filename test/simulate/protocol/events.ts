import type { CacheState, HostSpec, PriorityClass } from '../trace/trace.ts';

/** What a policy is told, as docs/develop/placement.md has it. Times in seconds; `t` never goes back. */
export type PolicyEvent =
  | {
      readonly type: 'init';
      readonly t: number;
      readonly hosts: readonly HostSpec[];
      readonly classes: readonly PriorityClass[];
      readonly seed: number;
      /** Whether builds name their `dep` when they are queued. */
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
  /** Kiln's own additions; 1 and one team for all where they are missing. */
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

/** Version of a dependency set: compared, never counted. */
export type Dep = string | number;

export interface PolicyDecision {
  readonly assign: readonly { readonly build: string; readonly host: string }[];
  /** When to ask again, though nothing may have happened. */
  readonly wake?: number | undefined;
}

/** Something that places builds: Kiln's own code, or what it is compared with. */
export interface Policy {
  handle(event: PolicyEvent): void;
  decide(t: number): PolicyDecision;
}
