import type { Scope, Trust } from './principal.ts';

/** What the claims of an identity must be, and what whoever has them may do. */
export interface ClaimRule {
  /** By the claim's name, or by a path with dots: patterns, of which one must match. All claims must. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
  readonly team: string;
  readonly scopes: readonly Scope[];
  readonly trust: Trust;
}

/** Claims are matched up to this length: a longer one matches nothing. */
const MAX_CLAIM_CHARS = 2_048;

/** The first rule that all of whose patterns match. */
export function firstMatch<R extends ClaimRule>(
  rules: readonly R[],
  claims: Readonly<Record<string, unknown>>,
): R | undefined {
  return rules.find((rule) =>
    Object.entries(rule.claims).every(([name, patterns]) =>
      valuesOf(claims, name).some((value) => patterns.some((pattern) => globMatches(pattern, value))),
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

/**
 * Whether the whole of `text` is as `pattern` says: `*` stands for any characters but `/`, `**` for any at all, everything else for
 * itself. In time proportional to the product of their lengths, whatever they hold.
 */
export function globMatches(pattern: string, text: string): boolean {
  if (text.length > MAX_CLAIM_CHARS) return false;
  const parts = pattern.match(/\*\*|\*|[^*]/gsu) ?? [];
  const characters = [...text];
  // reached[j]: the parts so far can stand for the first j characters.
  let reached = characters.map(() => false);
  reached.unshift(true);
  for (const part of parts) {
    const next = [part === '*' || part === '**' ? reached[0] === true : false];
    characters.forEach((character, j) => {
      if (part === '**') next.push(reached[j + 1] === true || next[j] === true);
      else if (part === '*') next.push(reached[j + 1] === true || (next[j] === true && character !== '/'));
      else next.push(reached[j] === true && character === part);
    });
    reached = next;
  }
  return reached[characters.length] === true;
}
