import type { IgnorePattern } from './ignore-pattern.ts';

/** What matched at one path; its children's matches start from it. */
export interface IgnoreMatch {
  readonly ignored: boolean;
  /** By pattern: did it match here or further up. */
  readonly matched: readonly boolean[];
}

/**
 * Decides as moby's `PatternMatcher.MatchesUsingParentResults` does: the last pattern that matches wins, a pattern that
 * matches a directory matches everything below it, and a pattern that couldn't change the result isn't tried at all
 * (which shows in what the children inherit, so it is kept).
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

/** Whether something below an ignored directory may have to be sent after all. False spares the walk of a whole tree. */
export function mayHaveExceptions(patterns: readonly IgnorePattern[], directory: string): boolean {
  return patterns.some(({ exception, text }) => {
    if (!exception) return false;
    return GLOB.test(text) || `${text}/`.startsWith(`${directory}/`) || directory.startsWith(`${text}/`);
  });
}
