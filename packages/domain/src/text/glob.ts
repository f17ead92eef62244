/** The verdict of a list of globs on a text. */
export interface GlobVerdict {
  readonly matches: boolean;
  /** The last pattern that matched, with its `!`; undefined if none did. */
  readonly by?: string;
}

/** Matches a text against a list of globs. The last pattern that matches decides; with a leading `!` it excludes the text. */
export function matchGlobs(patterns: readonly string[], text: string): GlobVerdict {
  const by = patterns.findLast((pattern) => matchGlob(pattern.replace(/^!/, ''), text));
  return by === undefined ? { matches: false } : { matches: !by.startsWith('!'), by };
}

/**
 * Returns whether a glob matches the whole of `text`. This is the dialect of `.kiln.yaml` and of connections (branches, tags, paths,
 * repositories); contracts' `glob` validates it. By segments, which `/` separates:
 *
 * - `*` any characters of one segment, also none, also a leading dot
 * - `?` one character
 * - `[a-z]`, `[!a-z]` one character that is, or isn't, in the class
 * - `**` as a whole segment: any number of segments; at the end at least one, so that `docs/**` doesn't match `docs`
 * - `{a,b}` alternatives, not nested
 *
 * Everything else matches itself, in upper or lower case as it is written. `wildcardMatches` is a simpler dialect for names.
 * Takes time proportional to pattern × text. Patterns come from strangers' pull requests, and the libraries for globs compile them to
 * backtracking regular expressions, which `*a*a*a…` keeps busy forever.
 */
export function matchGlob(pattern: string, text: string): boolean {
  const segments = text.split('/');
  return expandBraces(pattern).some((one) => matchSegments(one.split('/'), segments));
}

/** Expands `a{b,c}` to `ab` and `ac`. */
export function expandBraces(pattern: string): string[] {
  const match = /^([^{]*)\{([^{}]*)\}(.*)$/s.exec(pattern);
  if (!match) return [pattern];
  const [, before = '', inner = '', after = ''] = match;
  const rests = expandBraces(after);
  return inner.split(',').flatMap((one) => rests.map((rest) => before + one + rest));
}

/** At the end of a pattern, `**` stands for at least one segment. */
function matchSegments(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.at(-1) === '**') {
    return matchWild([...pattern.slice(0, -1), '**', '*'], segments, (one) => one === '**', matchSegment);
  }
  return matchWild(pattern, segments, (one) => one === '**', matchSegment);
}

function matchSegment(pattern: string, segment: string): boolean {
  const tokens = pattern.match(/\[!?[^\]]+\]|./gsu) ?? [];
  return matchWild(tokens, [...segment], (token) => token === '*', matchCharacter);
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
 * Matches a sequence with wildcards by two pointers. Only the last wildcard is ever extended: extending an earlier one could match no more
 * than that.
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
