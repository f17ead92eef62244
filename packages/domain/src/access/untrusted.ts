import { splitReference } from '../image/reference.ts';
import { wildcardMatches } from '../text/wildcards.ts';
import type { Trust } from './principal.ts';

/** Images that untrusted builds may push, by name without tag (`wildcardMatches`). Of one team, or of all. */
export interface PushRule {
  readonly team?: string;
  readonly pattern: string;
}

/**
 * What the server's rules let an untrusted build have beyond its class. It is decided when the build is accepted and kept with it; the
 * worker goes by nothing else, so that what was never checked is refused.
 */
export interface Granted {
  /** Whether it may push its tags. */
  readonly push?: boolean;
  /** Ids of secrets. */
  readonly secrets?: readonly string[];
}

/** What a build asks for of that which not every class may have. */
export interface Wanted {
  readonly output: { readonly type: 'none' | 'artifact' | 'push' | 'load' };
  readonly secrets: readonly string[];
}

export interface Refusal {
  readonly field: 'secrets' | 'output.type';
  readonly got: string;
  readonly expected: string;
}

/** Why a build of this class may not run as it asks to; undefined where it may. Entitlements no build can ask for. */
export function refusedTo(trust: Trust, { output, secrets }: Wanted, granted: Granted = {}): Refusal | undefined {
  if (trust === 'trusted') return undefined;
  const withheld = secrets.filter((id) => !granted.secrets?.includes(id));
  if (withheld.length > 0) return { field: 'secrets', got: withheld.join(', '), expected: 'none' };
  if (output.type === 'load' || (output.type === 'push' && !granted.push)) {
    return { field: 'output.type', got: JSON.stringify(output.type), expected: '"none" or "artifact"' };
  }
  return undefined;
}

/** The patterns by which untrusted builds of a team may push. */
export function pushPatterns(rules: readonly PushRule[], team: string): string[] {
  return rules.filter((rule) => rule.team === undefined || rule.team === team).map(({ pattern }) => pattern);
}

/** Whether one of the patterns lets an untrusted build push the image reference `[registry[:port]/]name[:tag]`. */
export function mayPush(reference: string, patterns: readonly string[]): boolean {
  const { name } = splitReference(reference);
  return patterns.some((pattern) => wildcardMatches(pattern, name));
}
