/** Builds that arrive at once: every so many seconds, how many, and within which time. */
export interface Storms {
  readonly every: number;
  readonly builds: readonly [number, number];
  readonly within: number;
}

/** The parameters of a made trace. Times in seconds unless named otherwise. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly hours: number;
  /** Hours at the beginning in which a new pool fills its caches at half the load; not measured. */
  readonly warmUpHours: number;
  readonly hosts: number;
  readonly slots: number;
  /** Caches of mean size that fit on a host. */
  readonly disk: number;
  readonly repos: number;
  /** Exponent of the repos' popularity: the k-th is built in proportion to 1/k^zipf. */
  readonly zipf: number;
  /** Share of the pool's slots that the builds would keep busy if they shared one cache, without storms. */
  readonly load: number;
  /** Range from which a repo's mean warm run is drawn, log-uniformly. */
  readonly warm: readonly [number, number];
  /** Range of the ratio of a repo's cold to its warm runs. */
  readonly coldFactor: readonly [number, number];
  /** Spread of one repo's runs around its mean, as sigma of a lognormal. */
  readonly noise: number;
  /** Share of the builds that change the repo's dependencies. */
  readonly depChanges: number;
  /** The share of builds that arrive in bursts of one repo, and how many builds a burst has. */
  readonly bursts?: { readonly share: number; readonly builds: readonly [number, number]; readonly within: number };
  /** Many builds of many repos at once. */
  readonly storms?: Storms;
  /** Many builds of one repo at once, as of a merge train. */
  readonly trains?: Storms;
  /** Dependency changes of many repos at once, as of a new base image: how often, and which share of the repos. */
  readonly baseUpdates?: { readonly every: number; readonly share: number };
  /** Swing of the load over a day, 0 to 1: from 1 − swing at night to 1 + swing at noon. */
  readonly daySwing?: number;
  /** One repo with this share of all builds, with long builds. */
  readonly monorepo?: {
    readonly share: number;
    readonly warm: number;
    readonly coldFactor: number;
    readonly size: number;
  };
  /** New repos appear all the time: the share of builds that are a new repo's only one. */
  readonly newRepos?: number;
  /** Halfway, the durations of this share of the repos change by up to this factor, up or down. */
  readonly drift?: { readonly share: number; readonly factor: number };
  /** Lost hosts: how often one is lost, and after how long an empty one replaces it. */
  readonly losses?: {
    readonly every: number;
    readonly backAfter: number;
    /** Hosts lost at the same time. Default: 1. */
    readonly together?: number;
  };
  /** Hosts added empty and drained again: when, as shares of the trace's length. */
  readonly scale?: { readonly hosts: number; readonly upAt: number; readonly drainAt: number };
  /** Share of the repos whose builds take two slots. */
  readonly heavy?: number;
  /** Share of the work by team. Default: one nameless team. */
  readonly teams?: Readonly<Record<string, number>>;
  /** Share of the builds by priority class. Default: all normal. */
  readonly classes?: { readonly interactive: number; readonly normal: number; readonly batch: number };
}
