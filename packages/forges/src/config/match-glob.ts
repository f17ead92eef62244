import { expandBraces } from '@kiln/contracts';

/** What a list of patterns says of a text: whether it is let in, and by which pattern it was decided. */
export interface GlobVerdict {
  readonly matches: boolean;
  /** The last pattern that matched, with its `!`; undefined where none did. */
  readonly by?: string;
}

/** The last pattern that matches decides. */
export function matchGlobs(patterns: readonly string[], text: string): GlobVerdict {
  const by = patterns.findLast((pattern) => matchGlob(pattern.replace(/^!/, ''), text));
  return by === undefined ? { matches: false } : { matches: !by.startsWith('!'), by };
}

/**
 * Whether `pattern` (see `glob` in contracts) matches the whole of `text`. In time of at most pattern × text: patterns come from pull
 * requests of strangers, and the libraries for them compile to backtracking regular expressions, which `*a*a*a…` holds up
 * for ever.
 */
export function matchGlob(pattern: string, text: string): boolean {
  const parts = text.split('/');
  return expandBraces(pattern).some((one) => matchParts(one.split('/'), parts));
}

/** `**` stands for any number of parts, at the end for one at least. */
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
 * The usual two-pointer match of a sequence with wildcards: only the last wildcard is ever tried again, since an earlier one that took
 * less could do no better.
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
