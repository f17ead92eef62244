/** A longer text matches no pattern. */
const MAX_TEXT_CHARS = 2_048;

/**
 * Returns whether a wildcard pattern matches the whole of `text`: `*` stands for any characters but `/`, `**` for any characters, everything
 * else for itself. This is the dialect for names: claims of identity providers, registries and git hosts of limits, images that untrusted
 * builds may push. It differs from `matchGlob` in that `**` needn't be a whole segment, and `?`, `[` and `{` have no meaning.
 * Takes time proportional to pattern × text, whatever they contain.
 */
export function wildcardMatches(pattern: string, text: string): boolean {
  if (text.length > MAX_TEXT_CHARS) return false;
  const parts = pattern.match(/\*\*|\*|[^*]/gsu) ?? [];
  const characters = [...text];
  // reached[j]: whether the parts so far can stand for the first j characters.
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
