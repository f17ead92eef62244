const REASONS: Readonly<Record<string, string>> = {
  warm: 'which has its cache',
  partly_warm: 'which has part of its cache',
  cold: 'no host has its cache; this one costs other builds least',
  cold_sooner: 'cold, but finishes sooner than after waiting for a host with its cache',
  spread: 'its repo is built so often that another host with the cache pays off',
  waited_enough: 'cold, after waiting long enough for a host with its cache',
  waits_for_warm: 'which has its cache: better than a cold start on a free host',
  waits_for_seed: 'which is being filled with its cache: better than a cold start on a free host',
  all_full: 'every host that fits is full',
  no_host: 'no host has joined the pool',
  none_fits: 'no host fits',
  none_of_mode: 'no host can build with its cache mode; registry and archive need the driver docker-container',
  none_of_domain: 'every host that takes such builds is reserved for others',
  team_limit: 'its team has reached its limit of running builds',
  token_limit: 'its token has reached its limit of running builds',
  none_trusted: 'no host takes trusted builds',
  none_untrusted: 'no host takes untrusted builds',
};

const VERDICTS: Readonly<Record<string, string>> = {
  chosen: 'chosen',
  awaited: 'worth waiting for',
  later: 'would finish later',
  costs_others: 'would cost other builds more',
  full: 'full',
  cordoned: 'cordoned',
  draining: 'draining',
  low_disk: 'low on disk space',
  platform_missing: "can't build for the platform",
  label_missing: 'lacks a label',
  trust_missing: "has no builder for the build's trust class",
  mode_missing: "can't build with the cache mode",
  other_domain: 'reserved for other builds',
  domain_away: 'its builder for such builds is unavailable',
  too_small: 'too small',
  would_emulate: 'would emulate the platform, which others run natively',
  lost_it_before: 'lost this build before',
};

/** Describes a reason. One that this version doesn't know is shown as it is. */
export function reasonText({
  reason,
  limit,
}: {
  readonly reason: string;
  readonly limit?: number | undefined;
}): string {
  const text = REASONS[reason] ?? reason.replaceAll('_', ' ');
  return limit === undefined ? text : `${text} (${limit})`;
}

/** Describes what a decision says about a host. A verdict that this version doesn't know is shown as it is. */
export function verdictText(verdict: string): string {
  return VERDICTS[verdict] ?? verdict.replaceAll('_', ' ');
}
