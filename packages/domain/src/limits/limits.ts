import { parseReference, repositoryName } from '../image/reference.ts';
import { trimEnd } from '../text/trim.ts';
import { wildcardMatches } from '../text/wildcards.ts';

export const UNLIMITED = 'unlimited';
export type Limit = number | typeof UNLIMITED;

/** What a team, or one credential, may do at most. Bytes are of one build, but for `storedBytes`. */
export interface Limits {
  /** Builds that hosts have at the same time. */
  readonly concurrentBuilds: Limit;
  /** Builds that wait for a host. */
  readonly queuedBuilds: Limit;
  readonly requestsPerMinute: Limit;
  readonly logBytes: Limit;
  /** Of an uploaded context, as it is sent. */
  readonly contextBytes: Limit;
  /** Of a build's artifact. */
  readonly artifactBytes: Limit;
  /** Of all that is stored of a team: contexts, logs, artifacts. A token has no such limit of its own. */
  readonly storedBytes: Limit;
  /** Where images may be pushed to: see `isAllowedTarget`. */
  readonly registries: readonly string[];
  /** Which git servers' repositories may be built: see `isAllowedTarget`. */
  readonly gitHosts: readonly string[];
}

/** Limits of which some are set; the others are as they are for everybody. */
export type LimitSettings = { readonly [K in keyof Limits]?: Limits[K] | undefined };

/** Whose limits: a team's, or a credential's by its principal's id. */
export interface LimitSubject {
  readonly kind: 'team' | 'token';
  readonly name: string;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** In lists: everything. */
const ANY_TARGET = '*';

/** What holds where nobody has set anything else. */
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

/** What each team and each credential has, unless something is set for it by itself. */
export interface LimitDefaults {
  readonly team: Limits;
  readonly token: Limits;
}

/** Kiln's own defaults, with an operator's over them. */
export function limitDefaults(
  operators: { readonly eachTeam?: LimitSettings; readonly eachToken?: LimitSettings } = {},
): LimitDefaults {
  return {
    team: limitsOf(DEFAULT_TEAM_LIMITS, operators.eachTeam),
    token: limitsOf(DEFAULT_TOKEN_LIMITS, operators.eachToken),
  };
}

/** `settings` over `defaults`. */
export function limitsOf(defaults: Limits, settings: LimitSettings = {}): Limits {
  const set = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  return { ...defaults, ...set };
}

/** The lowest; undefined where none limits. */
export function lowest(...limits: readonly (Limit | undefined)[]): number | undefined {
  const numbers = limits.filter((limit) => typeof limit === 'number');
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}

/**
 * Whether `target`, `host[:port]/path`, is one of those that `patterns` allow. A pattern is a host with its port, where it isn't the
 * scheme's own, and a path; `*` stands for any characters but `/`, `**` for any at all. One without a path allows all of the host.
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
