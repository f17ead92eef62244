import { wildcardMatches } from '../text/wildcards.ts';
import type { Scope, Trust } from './principal.ts';

/** What the claims of an identity must be, and what whoever has them may do. */
export interface ClaimRule {
  /** By the claim's name, or by a path with dots: patterns, of which one must match. All claims must. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
  readonly team: string;
  readonly scopes: readonly Scope[];
  readonly trust: Trust;
}

/** The first rule that all of whose patterns match. */
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

/** A claim as texts: one for a plain value, one for each of a list; none where it is missing or anything else. */
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
