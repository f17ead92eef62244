import { TRUSTS, type Trust } from '../access/principal.ts';

/**
 * Who may share a builder, and with it whatever BuildKit shares: the builds of one `team`, of one `repo` of a team, or those of the whole
 * `pool`. Trusted and untrusted builds never do.
 */
export const ISOLATIONS = ['team', 'repo', 'pool'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** Whose a build is. */
export interface DomainOwner {
  /** Absent: trusted. */
  readonly trust?: Trust | undefined;
  readonly team: string;
  readonly repo: string;
}

/** What a domain's key says. */
export interface DomainParts {
  readonly trust: Trust;
  readonly isolation: Isolation;
  /** Absent for the pool's. */
  readonly team?: string;
  /** Of a repo's domain alone. */
  readonly repo?: string;
}

/**
 * The key of the isolation domain that a build belongs to: `trusted`, `trusted team web`, `untrusted repo web github.com/acme/app`. Builds whose keys
 * differ never share a builder, and two builds have the same key only where `isolation` lets them share one. The key is readable, not
 * fit for a file's or container's name: that takes a digest of it.
 */
export function isolationDomain({ trust = 'trusted', team, repo }: DomainOwner, isolation: Isolation): string {
  switch (isolation) {
    case 'pool':
      return trust;
    case 'team':
      return `${trust} team ${word(team)}`;
    case 'repo':
      return `${trust} repo ${word(team)} ${repo}`;
  }
}

/** Reads what `isolationDomain` wrote; undefined where the text is no such key. */
export function readDomain(key: string): DomainParts | undefined {
  const [trust, kind, encoded = '', ...repo] = key.split(' ');
  if (!isTrust(trust)) return undefined;
  if (kind === undefined) return { trust, isolation: 'pool' };
  const team = unescaped(encoded);
  if (team === undefined || team === '') return undefined;
  if (kind === 'team' && repo.length === 0) return { trust, isolation: 'team', team };
  if (kind === 'repo' && repo.length > 0) return { trust, isolation: 'repo', team, repo: repo.join(' ') };
  return undefined;
}

/** `trusted builds of team web`: the domain in words. */
export function domainText(key: string): string {
  const parts = readDomain(key);
  if (!parts) return key;
  const { trust, isolation, team, repo } = parts;
  switch (isolation) {
    case 'pool':
      return `${trust} builds of every team`;
    case 'team':
      return `${trust} builds of team ${team}`;
    case 'repo':
      return `${trust} builds of repo ${repo} of team ${team}`;
  }
}

/** Of two, the one that keeps more apart. */
export function finerIsolation(a: Isolation, b: Isolation): Isolation {
  return FINENESS[a] >= FINENESS[b] ? a : b;
}

const FINENESS: Readonly<Record<Isolation, number>> = { pool: 0, team: 1, repo: 2 };

function isTrust(text: string | undefined): text is Trust {
  return TRUSTS.some((trust) => trust === text);
}

/** Without white space, so that what follows it can't be taken for a part of it. */
function word(text: string): string {
  return text.replace(/[%\s]/g, (sign) => `%${sign.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** What `word` made the text of; undefined where it made none such. */
function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
