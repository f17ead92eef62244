import { wildcardMatches } from '../text/wildcards.ts';
import type { Scope, Trust } from './principal.ts';

/** Grants a team, scopes and trust to identities whose claims match. */
export interface ClaimRule {
  /** Wildcard patterns by the claim's name, or its path with dots. Every claim must match one of its patterns. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
  readonly team: string;
  readonly scopes: readonly Scope[];
  readonly trust: Trust;
}

/** Returns the first rule whose claims all match. */
export function firstMatch<R extends ClaimRule>(
  rules: readonly R[],
  claims: Readonly<Record<string, unknown>>,
): R | undefined {
  return rules.find((rule) =>
    Object.entries(rule.claims).every(([name, patterns]) =>
      valuesOf(claims, name).some((value) => patterns.some((pattern) => wildcardMatches(pattern, value))),
    ),
  );
}

/** Returns a claim's values as texts: one for a plain value, one for each of a list, none if it is missing or of another type. */
function valuesOf(claims: Readonly<Record<string, unknown>>, name: string): string[] {
  const value = Object.hasOwn(claims, name) ? claims[name] : claimAt(claims, name.split('.'));
  return (Array.isArray(value) ? value : [value]).filter(isPlain).map(String);
}

function claimAt(claims: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, key)
        ? (at as Readonly<Record<string, unknown>>)[key]
        : undefined,
    claims,
  );
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
