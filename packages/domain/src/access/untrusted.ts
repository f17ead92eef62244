import { type AnyOutput, outputTypes } from '../build/output-types.ts';
import { splitReference } from '../image/reference.ts';
import { wildcardMatches } from '../text/wildcards.ts';
import type { Trust } from './principal.ts';

/** Lets untrusted builds, of one team or of all, push the images whose name without tag matches a pattern (`wildcardMatches`). */
export interface PushRule {
  readonly team?: string;
  readonly pattern: string;
}

/**
 * What the server's rules grant an untrusted build beyond its class. Decided when the build is accepted, and stored with it. The worker
 * relies on nothing else, so that a request that was never checked is refused.
 */
export interface Granted {
  /** Whether it may push its tags. */
  readonly push?: boolean;
  /** Ids of the secrets that it may have. */
  readonly secrets?: readonly string[];
}

/** The parts of a request that not every trust class may ask for. */
export interface Wanted {
  readonly output: AnyOutput;
  readonly secrets: readonly string[];
  readonly entitlements?: readonly string[] | undefined;
}

export interface Refusal {
  readonly field: 'secrets' | 'output.type' | 'entitlements';
  readonly got: string;
  readonly expected: string;
}

/** Returns why a build of this class may not have what it asks for; undefined if it may. */
export function refusedTo(
  trust: Trust,
  { output, secrets, entitlements = [] }: Wanted,
  granted: Granted = {},
): Refusal | undefined {
  if (trust === 'trusted') return undefined;
  const withheld = secrets.filter((id) => !granted.secrets?.includes(id));
  if (withheld.length > 0) return { field: 'secrets', got: withheld.join(', '), expected: 'none' };
  if (entitlements.length > 0) return { field: 'entitlements', got: entitlements.join(', '), expected: 'none' };
  const refused = outputTypes(output).find((type) => type === 'load' || (type === 'push' && !granted.push));
  if (refused !== undefined)
    return { field: 'output.type', got: JSON.stringify(refused), expected: '"none" or "artifact"' };
  return undefined;
}

/** Returns the patterns of the images that untrusted builds of a team may push. */
export function pushPatterns(rules: readonly PushRule[], team: string): string[] {
  return rules.filter((rule) => rule.team === undefined || rule.team === team).map(({ pattern }) => pattern);
}

/** Returns whether one of the patterns lets an untrusted build push the image reference `[registry[:port]/]name[:tag]`. */
export function mayPush(reference: string, patterns: readonly string[]): boolean {
  const { name } = splitReference(reference);
  return patterns.some((pattern) => wildcardMatches(pattern, name));
}
