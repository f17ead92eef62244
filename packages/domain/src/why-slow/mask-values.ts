const WORD = /\w/;
/** Shorter values are replaced only as whole words: `1` is part of too much. */
const LONG = 4;

/** Replaces the values of build arguments in a text by `${NAME}`, the longest first. */
export function maskValues(text: string, values: ReadonlyMap<string, string>): string {
  const ordered = [...values].filter(([, value]) => value !== '').sort(([, a], [, b]) => b.length - a.length);
  return ordered.reduce((masked, [name, value]) => replaced(masked, value, `\${${name}}`), text);
}

function replaced(text: string, value: string, by: string): string {
  let result = '';
  let from = 0;
  for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
    if (at < from || (value.length < LONG && !isWhole(text, at, value.length))) continue;
    result += text.slice(from, at) + by;
    from = at + value.length;
  }
  return result + text.slice(from);
}

function isWhole(text: string, at: number, length: number): boolean {
  return !WORD.test(text.charAt(at - 1)) && !WORD.test(text.charAt(at + length));
}
