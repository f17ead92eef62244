/** `text` without `character` at its end, however often it is there. Unlike `replace(/x+$/, '')` it takes no longer for many in the middle. */
export function trimEnd(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end -= 1;
  return text.slice(0, end);
}

/** `text` without `character` at its start and end. */
export function trim(text: string, character: string): string {
  let start = 0;
  while (text[start] === character) start += 1;
  return trimEnd(text.slice(start), character);
}
