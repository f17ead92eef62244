import { TRUSTS, type Trust } from '../access/principal.ts';

/**
 * Which builds may share a builder, and so everything that BuildKit shares: those of one `team`, of one `repo` of a team, or of the whole
 * `pool`. Trusted and untrusted builds never share one.
 */
export const ISOLATIONS = ['team', 'repo', 'pool'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** The owner of a build. */
export interface DomainOwner {
  /** Absent: trusted. */
  readonly trust?: Trust | undefined;
  readonly team: string;
  readonly repo: string;
}

/** The parts of an isolation domain's key. */
export interface DomainParts {
  readonly trust: Trust;
  readonly isolation: Isolation;
  /** Absent with isolation `pool`. */
  readonly team?: string;
  /** Only with isolation `repo`. */
  readonly repo?: string;
}

/**
 * Returns the key of a build's isolation domain: `trusted`, `trusted team web`, `untrusted repo web github.com/acme/app`. Builds with
 * different keys never share a builder, and builds have the same key only if `isolation` lets them share one. The key is for people to
 * read; names of files and containers contain a digest of it.
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

/** Parses a key of `isolationDomain`; undefined if the text isn't one. */
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

/** Describes the domain for people: `trusted builds of team web`. */
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

/** Returns the one of two isolations that separates more. */
export function finerIsolation(a: Isolation, b: Isolation): Isolation {
  return FINENESS[a] >= FINENESS[b] ? a : b;
}

const FINENESS: Readonly<Record<Isolation, number>> = { pool: 0, team: 1, repo: 2 };

function isTrust(text: string | undefined): text is Trust {
  return TRUSTS.some((trust) => trust === text);
}

/** Escapes white space, which separates the parts of a key. */
function word(text: string): string {
  return text.replace(/[%\s]/g, (sign) => `%${sign.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Reverses `word`; undefined if the text isn't its result. */
function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
