import { parseReference, repositoryName } from '../image/reference.ts';
import { trimEnd } from '../text/trim.ts';
import { wildcardMatches } from '../text/wildcards.ts';

export const UNLIMITED = 'unlimited';
export type Limit = number | typeof UNLIMITED;

/** The limits of a team or of one credential. Byte limits are per build, except `storedBytes`. */
export interface Limits {
  /** How many builds hosts may have at the same time. */
  readonly concurrentBuilds: Limit;
  /** How many builds may wait for a host. */
  readonly queuedBuilds: Limit;
  readonly requestsPerMinute: Limit;
  readonly logBytes: Limit;
  /** Size of an uploaded context, as it is sent. */
  readonly contextBytes: Limit;
  /** Size of a build's artifact. */
  readonly artifactBytes: Limit;
  /** Size of all that is stored for a team: contexts, logs, artifacts. Tokens have no such limit of their own. */
  readonly storedBytes: Limit;
  /** Patterns of the registries to which images may be pushed (`isAllowedTarget`). */
  readonly registries: readonly string[];
  /** Patterns of the git repositories that may be built (`isAllowedTarget`). */
  readonly gitHosts: readonly string[];
}

/** A subset of the limits; the defaults apply to the others. */
export type LimitSettings = { readonly [K in keyof Limits]?: Limits[K] | undefined };

/** Who has limits: a team, or a credential by the id of its principal. */
export interface LimitSubject {
  readonly kind: 'team' | 'token';
  readonly name: string;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** In a list of patterns, allows everything. */
const ANY_TARGET = '*';

export const DEFAULT_TEAM_LIMITS: Limits = {
  concurrentBuilds: UNLIMITED,
  queuedBuilds: 10_000,
  requestsPerMinute: UNLIMITED,
  logBytes: 256 * MIB,
  contextBytes: UNLIMITED,
  artifactBytes: 16 * GIB,
  storedBytes: UNLIMITED,
  registries: [ANY_TARGET],
  gitHosts: [ANY_TARGET],
};

const DEFAULT_TOKEN_LIMITS: Limits = {
  ...DEFAULT_TEAM_LIMITS,
  queuedBuilds: UNLIMITED,
  requestsPerMinute: 3_000,
  logBytes: UNLIMITED,
  artifactBytes: UNLIMITED,
};

/** The limits of teams and credentials for which nothing else is set. */
export interface LimitDefaults {
  readonly team: Limits;
  readonly token: Limits;
}

/** Returns Kiln's own defaults, overridden by the operator's. */
export function limitDefaults(
  operators: { readonly eachTeam?: LimitSettings; readonly eachToken?: LimitSettings } = {},
): LimitDefaults {
  return {
    team: limitsOf(DEFAULT_TEAM_LIMITS, operators.eachTeam),
    token: limitsOf(DEFAULT_TOKEN_LIMITS, operators.eachToken),
  };
}

/** Returns `defaults` overridden by `settings`. */
export function limitsOf(defaults: Limits, settings: LimitSettings = {}): Limits {
  const set = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  return { ...defaults, ...set };
}

/** Returns the lowest limit; undefined if all are unlimited. */
export function lowest(...limits: readonly (Limit | undefined)[]): number | undefined {
  const numbers = limits.filter((limit) => typeof limit === 'number');
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}

/**
 * Returns whether one of `patterns` allows `target`, a `host[:port]/path`. A pattern (`wildcardMatches`) is a host, its port unless that is the
 * scheme's default, and a path. A pattern without a path allows everything on the host, and `*` everything at all.
 */
export function isAllowedTarget(patterns: readonly string[], target: string): boolean {
  return patterns.some(
    (pattern) => pattern === ANY_TARGET || wildcardMatches(pattern.includes('/') ? pattern : `${pattern}/**`, target),
  );
}

/** Returns the `host[:port]/path` to which a push of `tag` goes, with the host in lower case. @throws RangeError if it isn't an image reference */
export function registryTarget(tag: string): string {
  const reference = parseReference(tag);
  if (!reference) throw new RangeError(`got ${JSON.stringify(tag)}, expected an image reference`);
  return repositoryName({ ...reference, domain: reference.domain.toLowerCase() });
}

/** Returns the `host[:port]/path` of a clone URL, without `.git`. @throws TypeError if it isn't a URL */
export function gitTarget(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host.toLowerCase()}${trimEnd(pathname, '/').replace(/\.git$/, '')}`;
}
