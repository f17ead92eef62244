/** A trace: the events of a pool, and how long each build takes on each kind of cache. Times in seconds from the trace's start. */
export interface Trace {
  readonly name: string;
  readonly hosts: readonly HostSpec[];
  /** Hosts that join, drain or are lost, in order of time. */
  readonly changes: readonly HostChange[];
  /** In order of submission. */
  readonly builds: readonly TraceBuild[];
  readonly classes: readonly PriorityClass[];
  /** Builds submitted before aren't counted, because they find a pool with empty caches. */
  readonly measureFrom: number;
}

export interface HostSpec {
  readonly host: string;
  readonly slots: number;
  /** Cache budget, in the unit of a build's `size`. */
  readonly disk: number;
}

export type HostChange =
  | ({ readonly type: 'up'; readonly t: number } & HostSpec)
  | { readonly type: 'drain' | 'down'; readonly t: number; readonly host: string };

export interface PriorityClass {
  readonly prio: number;
  readonly name: string;
}

/** A build. Its durations are drawn when the trace is made, so that every policy meets the same work. */
export interface TraceBuild {
  readonly build: string;
  readonly submitted: number;
  readonly repo: string;
  readonly team: string;
  readonly prio: number;
  /** Slots that it takes. */
  readonly weight: number;
  /** Version of the repo's dependency set; a cache of another version is stale. */
  readonly dep: number;
  readonly run: Readonly<Record<CacheState, number>>;
  /** Size of the repo's cache on a disk after the build. */
  readonly size: number;
}

export type CacheState = 'warm' | 'stale' | 'cold';
