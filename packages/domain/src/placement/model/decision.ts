import type { RuledOut } from './requirements.ts';

/** What is expected of a build on a host. ms since the epoch, and ms. */
export interface Prediction {
  readonly startAt: number;
  readonly finishAt: number;
  readonly runMs: number;
  /** 0 to 1, when it starts. */
  readonly warmth: number;
}

/** Why a build goes to its host, or waits. */
export type DecisionReason =
  /** A host with the cache is free. */
  | 'warm'
  /** A host with part of the cache, or with one of older dependencies, is free. */
  | 'partly_warm'
  /** No host has the cache: the build starts where it does the least harm. */
  | 'cold'
  /** A cold start finishes sooner than waiting for a host with the cache. */
  | 'cold_sooner'
  /** Waiting would finish sooner, but the repo is built so often that another copy of its cache pays. */
  | 'spread'
  /** The build has waited long enough and starts cold. */
  | 'waited_enough'
  /** Waits for a busy host with the cache: there it finishes sooner, or costs others less, than cold on a free one. */
  | 'waits_for_warm'
  /** Waits until a host that is being seeded has the cache: there it finishes sooner, or costs others less, than cold on a free one. */
  | 'waits_for_seed'
  /** Waits: every host that fits is full. */
  | 'all_full'
  | 'no_host'
  /** No host has a builder of the build's trust class. */
  | 'none_trusted'
  | 'none_untrusted'
  /** Every host that takes builds of its trust class serves only builds of another isolation domain. */
  | 'none_of_domain'
  /** No host that takes the build otherwise can build with its cache mode. */
  | 'none_of_mode'
  | 'none_fits'
  /** Waits: as many builds of its team, or of the credential that submitted it, are running as may run at a time. */
  | 'team_limit'
  | 'token_limit';

export type Verdict =
  | 'chosen'
  /** The build waits for this host. */
  | 'awaited'
  /** The build would finish later there. */
  | 'later'
  /** The build would finish no later there, but costs others more: their slots, or their caches. */
  | 'costs_others'
  | 'full'
  | RuledOut;

/** A copy of a repo's cache on its way to a host, or one that has arrived. */
export interface SeedUnderWay {
  /** The host that it comes from. */
  readonly from: string;
  /** When it is expected to be there, or was, ms since the epoch. */
  readonly readyAt: number;
}

/** One host as a decision saw it. Times in ms. */
export interface ConsideredHost {
  readonly host: string;
  readonly slots: number;
  readonly usedSlots: number;
  /** 0 to 1: how much of the repo's cache it holds now. */
  readonly warmth: number;
  readonly verdict: Verdict;
  /** The only isolation domain that it serves, if that rules it out. */
  readonly serves?: string;
  /** The copy of the repo's cache that is on its way to it, or that arrived and wasn't used yet. */
  readonly seeding?: SeedUnderWay;
  /** Absent if the host is ruled out, or if it can't be predicted when it will have room. */
  readonly predicted?: Prediction;
  /** What a run there would cost others, by kind; negative values speak for the host. */
  readonly extras?: Readonly<Record<string, number>>;
}

/** The decision for one pending build, to start on a host or to wait, with what spoke for and against each host. */
export interface PlacementDecision {
  readonly build: string;
  readonly host: string | null;
  readonly reason: DecisionReason;
  /** How many builds may run at a time, if that is the reason. */
  readonly limit?: number;
  /** ms since the epoch. */
  readonly decidedAt: number;
  /** On the host chosen, or on the one that the build waits for. */
  readonly predicted?: Prediction;
  /** The best first; in a large pool only those. */
  readonly considered: readonly ConsideredHost[];
  /** How many hosts are not listed, by verdict. */
  readonly others?: Readonly<Record<string, number>>;
}
