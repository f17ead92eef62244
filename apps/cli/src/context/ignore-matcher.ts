import type { IgnorePattern } from './ignore-pattern.ts';

/** The result of matching one path, from which matches of its children start. */
export interface IgnoreMatch {
  readonly ignored: boolean;
  /** Per pattern, whether it matched this path or a parent. */
  readonly matched: readonly boolean[];
}

/**
 * Matches like moby's `PatternMatcher.MatchesUsingParentResults`: the last pattern that matches wins, a pattern that
 * matches a directory matches everything below it, and a pattern that couldn't change the result isn't tried at all.
 * The last rule affects what children inherit, so it can't be dropped as a mere optimisation.
 */
export function matchIgnore(patterns: readonly IgnorePattern[], path: string, parent?: IgnoreMatch): IgnoreMatch {
  let ignored = false;
  const matched = patterns.map((pattern, i) => {
    let match = parent?.matched[i] ?? false;
    if (!match) {
      if (pattern.exception !== ignored) return false;
      match = pattern.matches(path);
    }
    if (match) ignored = !pattern.exception;
    return match;
  });
  return { ignored, matched };
}

const GLOB = /[*?[\]\\]/;

/** Whether an exception may apply below an ignored directory. If not, the directory need not be walked. */
export function mayHaveExceptions(patterns: readonly IgnorePattern[], directory: string): boolean {
  return patterns.some(({ exception, text }) => {
    if (!exception) return false;
    return GLOB.test(text) || `${text}/`.startsWith(`${directory}/`) || directory.startsWith(`${text}/`);
  });
}
