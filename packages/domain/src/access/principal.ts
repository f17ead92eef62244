/** What a credential may be allowed to do. `admin` includes all others. */
export const SCOPES = ['builds:read', 'builds:write', 'logs:read', 'secrets:write', 'hosts:operate', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** The trust class of a principal's builds: `untrusted` ones get no secrets and publish nothing. */
export const TRUSTS = ['trusted', 'untrusted'] as const;
export type Trust = (typeof TRUSTS)[number];

/** How a principal has been authenticated. */
export const PRINCIPAL_KINDS = [
  'anonymous',
  'local-admin',
  'token',
  'oidc',
  'session',
  'worker',
  'schedule',
  'connection',
] as const;
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number];

/** Stands for all teams. No team can have this name. */
export const ALL_TEAMS = '*';

/** The team of builds that are submitted without a team, by principals that belong to none. */
export const FALLBACK_TEAM = 'default';

/** The authenticated sender of a request. */
export interface Principal {
  readonly kind: PrincipalKind;
  /** Unique, and never given to another principal later. */
  readonly id: string;
  /** What has to be revoked to end this access, if that isn't `id`: one of a person's sessions. */
  readonly credentialId?: string;
  /** Name for people to read. */
  readonly name: string;
  /** A team's name, or ALL_TEAMS; empty if it belongs to no team. */
  readonly team: string;
  readonly scopes: readonly Scope[];
  readonly trust: Trust;
  /** ms since the epoch. Absent: until it is revoked. */
  readonly expiresAt?: number;
}

export const ANONYMOUS: Principal = {
  kind: 'anonymous',
  id: 'anonymous',
  name: 'anonymous',
  team: '',
  scopes: [],
  trust: 'untrusted',
};

export const LOCAL_ADMIN: Principal = {
  kind: 'local-admin',
  id: 'local-admin',
  name: 'local admin',
  team: ALL_TEAMS,
  scopes: ['admin'],
  trust: 'trusted',
};

/** Returns whether a principal has a scope. */
export function holds({ scopes }: Pick<Principal, 'scopes'>, scope: Scope): boolean {
  return scopes.includes(scope) || scopes.includes('admin');
}

/** Returns whether a principal may know of anything that belongs to `team`. */
export function seesTeam({ team: own }: Pick<Principal, 'team'>, team: string): boolean {
  return own === ALL_TEAMS || own === team;
}

/** Returns the team of a request that names `asked`, or none. Undefined if the principal doesn't belong to the team that it names. */
export function teamFor(principal: Pick<Principal, 'team'>, asked: string | undefined): string | undefined {
  if (asked === undefined) return principal.team === ALL_TEAMS ? FALLBACK_TEAM : principal.team;
  return seesTeam(principal, asked) ? asked : undefined;
}

/** Combines trust classes: `untrusted` if any of them is. */
export function leastTrust(...trusts: readonly (Trust | undefined)[]): Trust {
  return trusts.includes('untrusted') ? 'untrusted' : 'trusted';
}
