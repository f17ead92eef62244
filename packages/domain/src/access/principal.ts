/** What a token can be good for. `admin` includes all others. */
export const SCOPES = ['builds:read', 'builds:write', 'logs:read', 'secrets:write', 'hosts:operate', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** How far what a principal has built is to be trusted: `untrusted` gets no secrets and publishes nothing. */
export const TRUSTS = ['trusted', 'untrusted'] as const;
export type Trust = (typeof TRUSTS)[number];

/** By what somebody has shown who they are. */
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

/** In place of a team: all of them. No team can be named so. */
export const ALL_TEAMS = '*';

/** Team of what is submitted without naming one, by those who aren't of a team. */
export const FALLBACK_TEAM = 'default';

/** Whoever a request comes from, for as long as it lasts. */
export interface Principal {
  readonly kind: PrincipalKind;
  /** Tells principals apart, now and later. */
  readonly id: string;
  /** What is revoked to end this one's access, where that isn't `id`: one of a person's sessions. */
  readonly credentialId?: string;
  /** For people. */
  readonly name: string;
  /** A team's name, or ALL_TEAMS; empty for who is of none. */
  readonly team: string;
  readonly scopes: readonly Scope[];
  readonly trust: Trust;
  /** ms since the epoch; absent: until it is taken back. */
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

export function holds({ scopes }: Pick<Principal, 'scopes'>, scope: Scope): boolean {
  return scopes.includes(scope) || scopes.includes('admin');
}

/** Whether what belongs to `team` exists for the principal at all. */
export function seesTeam({ team: own }: Pick<Principal, 'team'>, team: string): boolean {
  return own === ALL_TEAMS || own === team;
}

/** The team that a request is for which asks for `asked`, or for none; undefined where the principal isn't of the one asked for. */
export function teamFor(principal: Pick<Principal, 'team'>, asked: string | undefined): string | undefined {
  if (asked === undefined) return principal.team === ALL_TEAMS ? FALLBACK_TEAM : principal.team;
  return seesTeam(principal, asked) ? asked : undefined;
}

/** Nothing becomes trusted by who repeats it: one untrusted party is enough. */
export function leastTrust(...trusts: readonly (Trust | undefined)[]): Trust {
  return trusts.includes('untrusted') ? 'untrusted' : 'trusted';
}
