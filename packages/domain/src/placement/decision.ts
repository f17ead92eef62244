import type { RuledOut } from './requirements.ts';

/** What is expected of a build on a host. ms since the epoch, and ms. */
export interface Prediction {
  readonly startAt: number;
  readonly finishAt: number;
  readonly runMs: number;
  /** 0 to 1, when it starts. */
  readonly warmth: number;
}

/** Why a decision is as it is. */
export type DecisionReason =
  /** A host with the cache is free. */
  | 'warm'
  /** … with part of it, or with one of older dependencies. */
  | 'partly_warm'
  /** No host has the cache: where it does the least harm. */
  | 'cold'
  /** A cold start finishes sooner than waiting for a host with the cache. */
  | 'cold_sooner'
  /** Waiting would finish sooner, but the repo is built so often that a further copy pays. */
  | 'spread'
  /** A cold start, because it has waited long enough. */
  | 'waited_enough'
  /** Waits for a busy host with the cache: there it finishes sooner, or costs others less, than cold on a free one. */
  | 'waits_for_warm'
  /** Waits: every host that fits is full. */
  | 'all_full'
  | 'no_host'
  /** No host has a builder of the build's class. */
  | 'none_trusted'
  | 'none_untrusted'
  /** Every host that takes builds of its class serves builds of another isolation domain only. */
  | 'none_of_domain'
  | 'none_fits'
  /** Waits: hosts have as many builds of its team, or of the credential that submitted it, as there may be. */
  | 'team_limit'
  | 'token_limit';

export type Verdict =
  | 'chosen'
  /** Waits for this one. */
  | 'awaited'
  /** Would finish later. */
  | 'later'
  /** Would finish no later, but costs others more: their slots, or their caches. */
  | 'costs_others'
  | 'full'
  | RuledOut;

/** One host as a decision saw it. Times in ms. */
export interface ConsideredHost {
  readonly host: string;
  readonly slots: number;
  readonly usedSlots: number;
  /** 0 to 1: what it has of the repo's cache now. */
  readonly warmth: number;
  readonly verdict: Verdict;
  /** The isolation domain that it serves alone, where that rules it out. */
  readonly serves?: string;
  /** Missing where the host is ruled out, or nothing tells when it would have room. */
  readonly predicted?: Prediction;
  /** What a run there would cost others, by name; what is below zero speaks for it. */
  readonly extras?: Readonly<Record<string, number>>;
}

/** The decision for one pending build: a host, or to wait; always with what spoke for and against the hosts. */
export interface PlacementDecision {
  readonly build: string;
  readonly host: string | null;
  readonly reason: DecisionReason;
  /** How many builds there may be at a time, where that is the reason. */
  readonly limit?: number;
  /** ms since the epoch. */
  readonly decidedAt: number;
  /** On the host chosen, or on the one that the build waits for. */
  readonly predicted?: Prediction;
  /** The best first; in a large pool only those. */
  readonly considered: readonly ConsideredHost[];
  /** How many hosts are not listed, by what spoke against them. */
  readonly others?: Readonly<Record<string, number>>;
}
