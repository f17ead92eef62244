/** How a made trace looks. Times in seconds unless named otherwise. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly hours: number;
  /** Hours at the beginning, at half the load, in which a new pool fills its caches; not measured. */
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
  /** Mean warm run of a repo is drawn log-uniformly from here. */
  readonly warm: readonly [number, number];
  /** A cold run takes so many times a warm one. */
  readonly coldFactor: readonly [number, number];
  /** Spread of one repo's runs around its mean, as sigma of a lognormal. */
  readonly noise: number;
  /** Share of the builds that change the repo's dependencies. */
  readonly depChanges: number;
  /** Builds that come as a burst of one repo, as a share, and how many a burst has. */
  readonly bursts?: { readonly share: number; readonly builds: readonly [number, number]; readonly within: number };
  /** Many repos at once: how often, how many builds, within which time. */
  readonly storms?: { readonly every: number; readonly builds: readonly [number, number]; readonly within: number };
  /** Swing of the load over a day, 0 to 1: from 1 − swing at night to 1 + swing at noon. */
  readonly daySwing?: number;
  /** One repo with this share of all builds, with long builds. */
  readonly monorepo?: {
    readonly share: number;
    readonly warm: number;
    readonly coldFactor: number;
    readonly size: number;
  };
  /** Repos that nobody knew appear all the time: share of builds that are some repo's first. */
  readonly newRepos?: number;
  /** Halfway, the durations of this share of the repos change by up to this factor, up or down. */
  readonly drift?: { readonly share: number; readonly factor: number };
  /** Hosts that are lost: how often, and how long until another comes in their place, empty. */
  readonly losses?: { readonly every: number; readonly backAfter: number };
  /** Hosts added empty, and drained again: when, as shares of the trace's length. */
  readonly scale?: { readonly hosts: number; readonly upAt: number; readonly drainAt: number };
  /** Share of the repos whose builds take two slots. */
  readonly heavy?: number;
  /** Share of the work by team; one nameless team where it is missing. */
  readonly teams?: Readonly<Record<string, number>>;
  /** Share of the builds by priority class; all normal where it is missing. */
  readonly classes?: { readonly interactive: number; readonly normal: number; readonly batch: number };
}
