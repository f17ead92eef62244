import { expandBraces } from '@kiln/contracts';

/** Whether a list of patterns matches a text, and which pattern decided that. */
export interface GlobVerdict {
  readonly matches: boolean;
  /** The last pattern that matched, with its `!`; undefined if none did. */
  readonly by?: string;
}

/** Matches a list of patterns: the last one that matches decides. */
export function matchGlobs(patterns: readonly string[], text: string): GlobVerdict {
  const by = patterns.findLast((pattern) => matchGlob(pattern.replace(/^!/, ''), text));
  return by === undefined ? { matches: false } : { matches: !by.startsWith('!'), by };
}

/**
 * Whether `pattern` (see `glob` in contracts) matches the whole of `text`. Takes time proportional to pattern × text at most. Patterns come
 * from pull requests of strangers, and glob libraries compile them to backtracking regular expressions, for which `*a*a*a…` takes
 * exponential time.
 */
export function matchGlob(pattern: string, text: string): boolean {
  const parts = text.split('/');
  return expandBraces(pattern).some((one) => matchParts(one.split('/'), parts));
}

/** `**` matches any number of parts; at the end of a pattern, at least one. */
function matchParts(pattern: readonly string[], parts: readonly string[]): boolean {
  if (pattern.at(-1) === '**') {
    return matchWild([...pattern.slice(0, -1), '**', '*'], parts, (one) => one === '**', matchPart);
  }
  return matchWild(pattern, parts, (one) => one === '**', matchPart);
}

function matchPart(pattern: string, part: string): boolean {
  const tokens = pattern.match(/\[!?[^\]]+\]|./gsu) ?? [];
  return matchWild(tokens, [...part], (token) => token === '*', matchCharacter);
}

function matchCharacter(token: string, character: string): boolean {
  if (token === '?') return true;
  if (token.length < 3 || !token.startsWith('[')) return token === character;
  const negated = token.startsWith('[!');
  const inner = [...token.slice(negated ? 2 : 1, -1)];
  return inClass(inner, character) !== negated;
}

function inClass(inner: readonly string[], character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  for (let i = 0; i < inner.length; i += 1) {
    const from = inner[i]?.codePointAt(0) ?? 0;
    if (inner[i + 1] === '-' && i + 2 < inner.length) {
      if (from <= code && code <= (inner[i + 2]?.codePointAt(0) ?? 0)) return true;
      i += 2;
    } else if (from === code) return true;
  }
  return false;
}

/**
 * The usual two-pointer match of a sequence with wildcards. Only the last wildcard is ever retried: giving an earlier one a different
 * share can't lead to a match that this misses.
 */
function matchWild(
  pattern: readonly string[],
  items: readonly string[],
  isWild: (token: string) => boolean,
  matches: (token: string, item: string) => boolean,
): boolean {
  let [p, i] = [0, 0];
  let [wildAt, resumeAt] = [-1, 0];
  while (i < items.length) {
    const token = pattern[p];
    if (token !== undefined && isWild(token)) {
      wildAt = p;
      resumeAt = i;
      p += 1;
    } else if (token !== undefined && matches(token, items[i] ?? '')) {
      p += 1;
      i += 1;
    } else if (wildAt >= 0) {
      resumeAt += 1;
      i = resumeAt;
      p = wildAt + 1;
    } else return false;
  }
  return pattern.slice(p).every(isWild);
}
