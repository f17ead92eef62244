/** Removes all of `character` from the end. Unlike `replace(/x+$/, '')` this takes linear time if there are many in the middle. */
export function trimEnd(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end -= 1;
  return text.slice(0, end);
}

/** Removes all of `character` from the start and the end. */
export function trim(text: string, character: string): string {
  let start = 0;
  while (text[start] === character) start += 1;
  return trimEnd(text.slice(start), character);
}
