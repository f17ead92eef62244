import { OLDEST_MODES } from '../../caches/cache-mode.ts';
import { domainText } from '../../isolation/isolation-domain.ts';
import { domainOfKey } from '../../warmth/cache-owner.ts';
import type { HostView, PendingBuild } from './model.ts';

type Needs = Pick<PendingBuild, 'repo' | 'weight' | 'platforms' | 'hostLabels' | 'trust' | 'cacheMode'>;

/** A host that the pool knows, whether its worker reports at present or not. */
export interface KnownHost {
  readonly view: HostView;
  /** Whether its worker has a lease. */
  readonly alive: boolean;
  /** ms since the epoch. */
  readonly lastSeenAt: number;
}

export interface FitConditions {
  /** ms since the epoch. */
  readonly now: number;
  /** When this leader began to lead, ms since the epoch: without a leader, the return of a lost host goes unnoticed. */
  readonly since: number;
  /** How long a host counts after its worker last reported, ms: it may be restarting. */
  readonly graceMs: number;
}

/** One thing that a build needs of its host. */
interface Need {
  /** Such as `linux/arm64`. */
  readonly name: string;
  /** What to say if no host has it: `no host builds linux/arm64`. */
  readonly missing: string;
  readonly isMetBy: (host: HostView) => boolean;
  /** What the host has instead, if anything. */
  readonly instead: (host: HostView) => string | undefined;
}

/** How many hosts are named together, and how many different offers are listed. */
const NAMED = 4;

/**
 * Returns why no host of the pool could ever take the build, as a message for the person who submitted it: what is missing, and what the pool
 * has. Undefined if some host could, however busy it is: one that is cordoned, drained, low on disk space or under repair may take builds again.
 * A host that is lost or has left counts for `graceMs`. Undefined also if no host is alive, because nothing is known then of the pool to come.
 */
export function noFittingHost(
  needs: Needs,
  hosts: readonly KnownHost[],
  conditions: FitConditions,
): string | undefined {
  const { now, since, graceMs } = conditions;
  const known = hosts.filter(({ alive, lastSeenAt }) => alive || now - Math.max(lastSeenAt, since) < graceMs);
  if (!known.some(({ alive }) => alive)) return undefined;
  const all = needsOf(needs);
  const fits = ({ view }: KnownHost) => all.every(({ isMetBy }) => isMetBy(view));
  if (known.some(fits)) return undefined;
  const views = known.map(({ view }) => view).sort((a, b) => (a.name < b.name ? -1 : 1));
  const missing = all.filter(({ isMetBy }) => !views.some(isMetBy));
  const lost = hosts
    .filter((host) => !known.includes(host) && fits(host))
    .map(({ view }) => view.name)
    .sort();
  return [
    ...(missing.length > 0 ? missing.map((need) => missingText(need, views)) : [scatteredText(all, views)]),
    ...(lost.length > 0 ? [`lost hosts that would fit: ${nameSome(lost)}`] : []),
  ].join('; ');
}

function needsOf({ repo, weight, platforms, hostLabels, trust, cacheMode = 'warm' }: Needs): Need[] {
  return [
    ...platforms.map((platform) => ({
      name: platform,
      missing: `no host builds ${platform}`,
      isMetBy: (host: HostView) => host.platforms.includes(platform),
      instead: (host: HostView) => comparable(platform, host.platforms).join(', '),
    })),
    ...Object.entries(hostLabels).map(([label, value]) => ({
      name: `the label ${label}=${value}`,
      missing: `no host has the label ${label}=${value}`,
      isMetBy: ({ labels }: HostView) => labels[label] === value,
      instead: ({ labels }: HostView) => (labels[label] === undefined ? undefined : `${label}=${labels[label]}`),
    })),
    {
      name: `a builder for ${trust} builds`,
      missing: `no host takes ${trust} builds`,
      isMetBy: (host) => host.trust.includes(trust),
      instead: (host) => `builders for ${host.trust.join(' and ')} builds`,
    },
    {
      name: `the cache mode ${cacheMode}`,
      missing: `no host builds with the cache mode ${cacheMode}`,
      isMetBy: (host) => modesOf(host).includes(cacheMode),
      instead: (host) => `the cache modes ${modesOf(host).join(', ')}`,
    },
    {
      name: `a builder for ${domainText(domainOfKey(repo, 'team'))}`,
      missing: `no host takes ${domainText(domainOfKey(repo, 'team'))}`,
      isMetBy: ({ domain, isolation = 'pool' }) => domain === undefined || domain === domainOfKey(repo, isolation),
      instead: ({ domain }) => domain && `a builder only for ${domainText(domain)}`,
    },
    {
      name: `${weight} slots`,
      missing: `no host has the ${weight} slots that the build takes`,
      isMetBy: (host) => weight <= host.slots,
      instead: (host) => slotsText(host.slots),
    },
  ];
}

/** Returns the platforms to name beside one that is missing: variants only beside a variant. */
function comparable(missing: string, platforms: readonly string[]): readonly string[] {
  const isBase = (platform: string) => platform.split('/').length < 3;
  return isBase(missing) ? platforms.filter(isBase) : platforms;
}

function modesOf({ cacheModes = OLDEST_MODES }: HostView): readonly string[] {
  return cacheModes;
}

function slotsText(slots: number): string {
  return slots === 1 ? '1 slot' : `${slots} slots`;
}

/** `no host builds linux/arm64; the pool has linux/amd64 on a, b` */
function missingText({ missing, instead }: Need, views: readonly HostView[]): string {
  const offers = new Map<string, string[]>();
  for (const view of views) {
    const offer = instead(view);
    if (offer) offers.set(offer, [...(offers.get(offer) ?? []), view.name]);
  }
  const there = [...offers].map(([offer, names]) => `${offer} on ${nameSome(names)}`);
  return there.length === 0 ? missing : `${missing}; the pool has ${nameSome(there, ' and ')}`;
}

/** `no host has everything that the build needs: linux/arm64 on b, the label disk=nvme on a` */
function scatteredText(all: readonly Need[], views: readonly HostView[]): string {
  const scattered = all.filter(({ isMetBy }) => !views.every(isMetBy));
  const where = scattered.map(
    ({ name, isMetBy }) => `${name} on ${nameSome(views.filter(isMetBy).map((view) => view.name))}`,
  );
  return `no host has everything that the build needs; the pool has ${where.join(' and ')}`;
}

function nameSome(names: readonly string[], separator = ', '): string {
  const more = names.length - NAMED;
  return more > 0 ? `${names.slice(0, NAMED).join(separator)} and ${more} more` : names.join(separator);
}
