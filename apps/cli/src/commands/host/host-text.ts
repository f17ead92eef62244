import { bytes, type HostDetailView, type HostInfoView } from '@kiln/contracts';
import { domainText } from '@kiln/domain';
import { duration } from '../../io/ages.ts';
import { shortId } from '../build/build-id.ts';

type Row = NonNullable<HostDetailView['inventory']>['repos'][number];

const SHOWN_BUILDS = 4;

/** Lists a host's builds: `3 builds left: 00aaaaaa, …`. */
export function buildsText({ builds }: HostInfoView): string {
  const ids = builds.slice(0, SHOWN_BUILDS).map(({ id }) => shortId(id));
  const list = [...ids, ...(builds.length > ids.length ? ['…'] : [])].join(', ');
  return `${builds.length} ${builds.length === 1 ? 'build' : 'builds'} left: ${list}`;
}

/** Describes the state, with the time until the deadline of a drain, and what keeps the host from taking builds: `ready (low disk)`. */
export function stateText({ state, drain, conditions = [] }: HostInfoView, nowMs: number): string {
  const left = state === 'draining' && drain?.deadline !== undefined ? `, ${leftText(drain.deadline, nowMs)}` : '';
  const shown = conditions.length > 0 && state !== 'lost' && state !== 'left';
  return `${state}${left}${shown ? ` (${conditions.map((one) => one.replaceAll('_', ' ')).join(', ')})` : ''}`;
}

export function leftText(deadline: string, nowMs: number): string {
  const leftMs = Date.parse(deadline) - nowMs;
  return leftMs <= 0 ? 'deadline passed' : `${duration(Math.ceil(leftMs / 1000) * 1000).replace('.0s', 's')} left`;
}

/** Lists what was set with `kiln host set`, in its notation: `slots=4 disk=nvme zone-`. Empty if nothing is set. */
export function settingsText({ slots, labels, reported }: HostInfoView): string {
  if (!reported) return '';
  const set = Object.entries(labels).filter(([label, value]) => reported.labels[label] !== value);
  const gone = Object.keys(reported.labels).filter((label) => labels[label] === undefined);
  return [
    ...(slots === reported.slots ? [] : [`slots=${slots}`]),
    ...set.map(([label, value]) => `${label}=${value}`),
    ...gone.map((label) => `${label}-`),
  ].join(' ');
}

export function labelsText({ labels }: HostInfoView): string {
  return Object.entries(labels)
    .map(([label, value]) => (value === '' ? label : `${label}=${value}`))
    .sort()
    .join(',');
}

/** Describes who shares the host's caches: `builds of team web only`, `isolated by team`, `first team that builds there`, `all teams together`. */
export function servesText({ isolation, oneDomain, domain }: HostInfoView): string {
  if (isolation === 'pool') return 'all teams together';
  if (!oneDomain) return `isolated by ${isolation}`;
  return domain === undefined ? `first ${isolation} that builds there` : `${domainText(domain)} only`;
}

/** Lists the domains whose builders don't answer or are being repaired. Empty if all do. */
export function awayText({ domainsAway = [] }: HostInfoView): string {
  return domainsAway.map(domainText).join(', ');
}

/** Names the owner of caches: `app (untrusted, web)`, or just `app` for trusted builds of the default team. */
export function ownerText({ repo, trust, team }: Pick<Row, 'repo' | 'trust' | 'team'>): string {
  if (trust === 'trusted') return team === undefined || team === 'default' ? repo : `${repo} (${team})`;
  return `${repo} (${[trust, ...(team === undefined ? [] : [team])].join(', ')})`;
}

/** Lists platforms with the variants of an architecture in brackets: `linux/amd64(+v2,v3)`; then the emulated ones: `… emulated: linux/arm64`. */
export function platformsText({ platforms, emulated = [] }: Pick<HostInfoView, 'platforms' | 'emulated'>): string {
  const native = listed(platforms.filter((platform) => !emulated.includes(platform)));
  return emulated.length === 0 ? native : `${native} emulated: ${listed(emulated)}`;
}

function listed(platforms: readonly string[]): string {
  const variants = new Map<string, string[]>();
  for (const platform of platforms) {
    const [os, architecture, ...variant] = platform.split('/');
    const base = `${os}/${architecture}`;
    variants.set(base, [...(variants.get(base) ?? []), ...variant]);
  }
  return [...variants].map(([base, found]) => (found.length > 0 ? `${base}(+${found.join(',')})` : base)).join(',');
}

/** Formats free and total disk space: `212GB/460GB`. */
export function diskText({ disk }: HostInfoView): string {
  return disk ? `${size(disk.freeBytes)}/${size(disk.totalBytes)}` : '-';
}

function size(count: number): string {
  return bytes(count).replace(/^(\d+)\.(\d)\d/, (_, whole: string, tenth: string) =>
    whole.length > 1 ? whole : `${whole}.${tenth}`,
  );
}
