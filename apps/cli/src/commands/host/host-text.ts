import { bytes, type HostDetailView, type HostInfoView } from '@kiln/contracts';
import { domainText } from '@kiln/domain';
import { shortId } from '../build/build-id.ts';
import { duration } from '../../io/ages.ts';

type Row = NonNullable<HostDetailView['inventory']>['repos'][number];

const SHOWN_BUILDS = 4;

/** `3 builds still run: 00aaaaaa, …`; a host's builds in words. */
export function buildsText({ builds }: HostInfoView): string {
  const ids = builds.slice(0, SHOWN_BUILDS).map(({ id }) => shortId(id));
  const list = [...ids, ...(builds.length > ids.length ? ['…'] : [])].join(', ');
  return `${builds.length} ${builds.length === 1 ? 'build' : 'builds'} still there: ${list}`;
}

/** The state, and how long a drain has left. */
export function stateText({ state, drain }: HostInfoView, nowMs: number): string {
  if (state !== 'draining' || drain?.deadline === undefined) return state;
  return `${state}, ${leftText(drain.deadline, nowMs)}`;
}

export function leftText(deadline: string, nowMs: number): string {
  const leftMs = Date.parse(deadline) - nowMs;
  return leftMs <= 0 ? 'deadline over' : `${duration(Math.ceil(leftMs / 1000) * 1000).replace('.0s', 's')} left`;
}

/** What operators have set, spelt as in `kiln host set`: `slots=4 disk=nvme zone-`; empty where nothing is. */
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

/** Whose builds share caches there: `team web only`, `teams apart`, `the first team that builds there`, `every team together`. */
export function servesText({ isolation, oneDomain, domain }: HostInfoView): string {
  if (isolation === 'pool') return 'every team together';
  if (!oneDomain) return `${isolation}s apart`;
  return domain === undefined ? `the first ${isolation} that builds there` : `${domainText(domain)} only`;
}

/** `app (untrusted, web)`: whose caches they are, where that isn't the default team's trusted builds'. */
export function ownerText({ repo, trust, team }: Pick<Row, 'repo' | 'trust' | 'team'>): string {
  if (trust === 'trusted') return team === undefined || team === 'default' ? repo : `${repo} (${team})`;
  return `${repo} (${[trust, ...(team === undefined ? [] : [team])].join(', ')})`;
}

/** `linux/amd64(+v2,v3),linux/arm64`: the variants of an architecture behind it. */
export function platformsText({ platforms }: HostInfoView): string {
  const variants = new Map<string, string[]>();
  for (const platform of platforms) {
    const [os, architecture, ...variant] = platform.split('/');
    const base = `${os}/${architecture}`;
    variants.set(base, [...(variants.get(base) ?? []), ...variant]);
  }
  return [...variants].map(([base, found]) => (found.length > 0 ? `${base}(+${found.join(',')})` : base)).join(',');
}

/** `212GB/460GB`: free, and all there is. */
export function diskText({ disk }: HostInfoView): string {
  return disk ? `${size(disk.freeBytes)}/${size(disk.totalBytes)}` : '-';
}

function size(count: number): string {
  return bytes(count).replace(/^(\d+)\.(\d)\d/, (_, whole: string, tenth: string) =>
    whole.length > 1 ? whole : `${whole}.${tenth}`,
  );
}
