import { OLDEST_MODES } from '../../caches/cache-mode.ts';
import type { Isolation } from '../../isolation/isolation-domain.ts';
import { domainOfKey } from '../../warmth/cache-owner.ts';
import type { HostView, PendingBuild } from './model.ts';

/** Why a host can't take a build, whatever its load. */
export const RULED_OUT = [
  'cordoned',
  'draining',
  'low_disk',
  'platform_missing',
  'label_missing',
  'trust_missing',
  'mode_missing',
  'other_domain',
  'domain_away',
  'too_small',
  'would_emulate',
  'lost_it_before',
] as const;
export type RuledOut = (typeof RULED_OUT)[number];

type Needs = Pick<PendingBuild, 'repo' | 'weight' | 'platforms' | 'hostLabels' | 'trust' | 'cacheMode' | 'lostOn'>;

/**
 * Returns why the host can't take the build; undefined if it can. `lost_it_before` is checked last, because it alone is waived when no
 * other host fits.
 */
export function ruleOut(needs: Needs, host: HostView): RuledOut | undefined {
  if (host.draining) return 'draining';
  if (host.cordoned) return 'cordoned';
  if (host.lowDisk) return 'low_disk';
  for (const platform of needs.platforms) if (!host.platforms.includes(platform)) return 'platform_missing';
  for (const label in needs.hostLabels) if (host.labels[label] !== needs.hostLabels[label]) return 'label_missing';
  if (!host.trust.includes(needs.trust)) return 'trust_missing';
  if (!(host.cacheModes ?? OLDEST_MODES).includes(needs.cacheMode ?? 'warm')) return 'mode_missing';
  const isolated = ruleOutDomain(needs, host);
  if (isolated) return isolated;
  if (needs.weight > host.slots) return 'too_small';
  return needs.lostOn.includes(host.name) ? 'lost_it_before' : undefined;
}

/** Returns how many of the platforms that a build needs the host only emulates. Those that emulate fewer are preferred. */
export function emulationsFor({ platforms }: Pick<Needs, 'platforms'>, { emulated = [] }: HostView): number {
  return platforms.filter((platform) => emulated.includes(platform)).length;
}

function ruleOutDomain(
  { repo }: Needs,
  { isolation = 'pool', domain, domainsAway = [] }: HostView,
): RuledOut | undefined {
  if (domain === undefined && domainsAway.length === 0) return undefined;
  const own = domainOfKey(repo, isolation);
  if (domain !== undefined && domain !== own) return 'other_domain';
  return domainsAway.includes(own) ? 'domain_away' : undefined;
}

/** Returns the isolation by which the host accepts some builds and refuses others; `pool` if it treats all alike. */
export function selectiveness({ isolation = 'pool', domain, domainsAway = [] }: HostView): Isolation {
  return domain === undefined && domainsAway.length === 0 ? 'pool' : isolation;
}

/**
 * Returns a key that is the same for all builds that fit the same hosts. `tellsApart`: the finest isolation by which any host refuses
 * builds (`selectiveness`).
 */
export function requirementsKey(
  { repo, weight, platforms, hostLabels, trust, cacheMode = 'warm', lostOn }: Needs,
  tellsApart: Isolation = 'pool',
): string {
  const labels = Object.entries(hostLabels).sort(([a], [b]) => (a < b ? -1 : 1));
  const domain = domainOfKey(repo, tellsApart);
  return JSON.stringify([weight, [...platforms].sort(), labels, domain, trust, cacheMode, [...lostOn].sort()]);
}
