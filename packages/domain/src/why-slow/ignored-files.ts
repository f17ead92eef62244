import type { FileChanges } from './cause.ts';

/** Most characters that are matched against a part of a pattern: about 0.1 s. The patterns are a user's, so no regular expressions are made of them. */
const MAX_STEPS = 20_000_000;

/** A part of a pattern: a character, `?`, `*`, `**` at the end, or a `**` before `/`, which takes two parts: it may be left out, or be any directories. */
type Part = { readonly char: string } | 'one' | 'some' | 'rest' | 'directories' | 'inside';

interface Pattern {
  readonly parts: readonly Part[];
  /** What it matches is in the build's context after all. */
  readonly isException: boolean;
}

/** For each pattern, whether it matches a path or a directory on the way to it. */
interface Match {
  readonly isIgnored: boolean;
  readonly matched: readonly boolean[];
}

class TooMuch extends Error {}

/**
 * Leaves out changes of files that neither build had in its context because of its ignore file. Changes nothing if an ignore file wasn't recorded, has a
 * pattern with `[` or `\`, or is too large.
 * @param ignores the lines of each build's ignore file
 */
export function withoutIgnored(files: FileChanges, ignores: readonly (readonly string[] | undefined)[]): FileChanges {
  if (files.state !== 'differ') return files;
  const lists = ignores.map((lines) => lines && patternsOf(lines));
  if (lists.some((patterns) => patterns === undefined || patterns.length === 0)) return files;
  const budget = { left: MAX_STEPS };
  const matchers = lists.map((patterns) => new Matcher(patterns ?? [], budget));
  try {
    const changes = files.changes.filter(
      ({ path, within }) => within || !matchers.every((matcher) => matcher.match(path).isIgnored),
    );
    return changes.length === 0 && !files.cut ? { state: 'same' } : { ...files, changes };
  } catch (error) {
    if (error instanceof TooMuch) return files;
    throw error;
  }
}

function patternsOf(lines: readonly string[]): Pattern[] | undefined {
  const patterns: Pattern[] = [];
  for (const line of lines) {
    if (line.startsWith('#')) continue;
    const trimmed = line.trim();
    const isException = trimmed.startsWith('!');
    const names = (isException ? trimmed.slice(1).trim() : trimmed).split('/');
    const text = names.filter((name) => name !== '' && name !== '.').join('/');
    if (/[[\]\\]/.test(text) || names.includes('..')) return undefined;
    if (text !== '') patterns.push({ parts: partsOf(text), isException });
  }
  return patterns;
}

function partsOf(text: string): Part[] {
  // As in BuildKit, `**` before plain text matches any path that ends in it.
  if (/^\*\*[^*?/][^*?]*$/.test(text)) return ['rest', ...charsOf(text.slice(2))];
  return (text.match(/\*\*\/?|[\s\S]/gu) ?? []).flatMap((part, i, all): Part[] => {
    if (part.startsWith('**')) return i === all.length - 1 ? ['rest'] : ['directories', 'inside'];
    if (part === '*') return ['some'];
    return part === '?' ? ['one'] : charsOf(part);
  });
}

function charsOf(text: string): Part[] {
  return [...text].map((char) => ({ char }));
}

/** Matches paths as BuildKit does: the last pattern that matches counts, and one that matches a directory matches all below it. */
class Matcher {
  readonly #patterns: readonly Pattern[];
  readonly #budget: { left: number };
  readonly #known = new Map<string, Match>();

  constructor(patterns: readonly Pattern[], budget: { left: number }) {
    this.#patterns = patterns;
    this.#budget = budget;
  }

  match(path: string): Match {
    const known = this.#known.get(path);
    if (known) return known;
    const slash = path.lastIndexOf('/');
    const above = slash < 0 ? undefined : this.match(path.slice(0, slash));
    let isIgnored = false;
    const matched = this.#patterns.map(({ parts, isException }, i) => {
      const inherited = above?.matched[i] === true;
      if (!inherited && isException !== isIgnored) return false;
      const isMatch = inherited || this.#matches(parts, path);
      if (isMatch) isIgnored = !isException;
      return isMatch;
    });
    const match = { isIgnored, matched };
    this.#known.set(path, match);
    return match;
  }

  /** Follows all ways through the parts at once. */
  #matches(parts: readonly Part[], path: string): boolean {
    let at = opened(new Set([0]), parts);
    for (const char of path) {
      this.#budget.left -= at.size + 1;
      if (this.#budget.left < 0) throw new TooMuch();
      const next = new Set<number>();
      for (const i of at) {
        const part = parts[i];
        if (part === undefined || part === 'directories') continue;
        if (part === 'rest') next.add(i);
        else if (part === 'inside') {
          next.add(i);
          if (char === '/') next.add(i + 1);
        } else if (part === 'some') {
          if (char !== '/') next.add(i);
        } else if (part === 'one' ? char !== '/' : part.char === char) next.add(i + 1);
      }
      if (next.size === 0) return false;
      at = opened(next, parts);
    }
    return at.has(parts.length);
  }
}

/** Adds the places that are reached without a character. */
function opened(places: Set<number>, parts: readonly Part[]): Set<number> {
  // A set yields what is added to it meanwhile.
  for (const i of places) {
    const part = parts[i];
    if (part === 'some' || part === 'rest') places.add(i + 1);
    if (part === 'directories') places.add(i + 1).add(i + 2);
  }
  return places;
}
