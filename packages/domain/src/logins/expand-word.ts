/** How deeply defaults may contain defaults. */
const MAX_DEPTH = 20;

/**
 * Expands `$NAME`, `${NAME}` and `${NAME:-WORD}` (also `-`, `:+`, `+`) in a word of a Dockerfile, and removes its quotes. A variable that isn't set is
 * empty. @returns undefined if the word has another form, whose value isn't known here
 */
export function expandWord(word: string, values: ReadonlyMap<string, string>, depth = 0): string | undefined {
  if (depth > MAX_DEPTH) return undefined;
  let text = '';
  for (let at = 0; at < word.length; ) {
    const char = word.charAt(at);
    if (char === '"' || char === "'") at++;
    else if (char === '\\') {
      text += word.charAt(at + 1);
      at += 2;
    } else if (char !== '$') {
      text += char;
      at++;
    } else {
      const variable = word.charAt(at + 1) === '{' ? braced(word, at, values, depth) : plain(word, at, values);
      if (!variable) return undefined;
      text += variable.value;
      at = variable.end;
    }
  }
  return text;
}

interface Expanded {
  readonly value: string;
  /** Position after it. */
  readonly end: number;
}

function plain(word: string, at: number, values: ReadonlyMap<string, string>): Expanded | undefined {
  const name = nameAt(word, at + 1);
  return name === '' ? undefined : { value: values.get(name) ?? '', end: at + 1 + name.length };
}

function braced(word: string, at: number, values: ReadonlyMap<string, string>, depth: number): Expanded | undefined {
  const end = closing(word, at + 2);
  const name = nameAt(word, at + 2);
  if (end < 0 || name === '') return undefined;
  const rest = word.slice(at + 2 + name.length, end);
  const value = values.get(name);
  const after = { end: end + 1 };
  if (rest === '') return { value: value ?? '', ...after };
  const isStrict = rest.startsWith(':');
  const operator = rest.charAt(isStrict ? 1 : 0);
  const isSet = value !== undefined && !(isStrict && value === '');
  const other = () => expandWord(rest.slice(isStrict ? 2 : 1), values, depth + 1);
  if (operator !== '-' && operator !== '+') return undefined;
  const chosen = operator === '-' ? (isSet ? value : other()) : isSet ? other() : '';
  return chosen === undefined ? undefined : { value: chosen, ...after };
}

/** Finds the brace that closes the one before `from`. */
function closing(word: string, from: number): number {
  let depth = 1;
  for (let at = from; at < word.length; at++) {
    if (word.charAt(at) === '{') depth++;
    else if (word.charAt(at) === '}' && --depth === 0) return at;
  }
  return -1;
}

function nameAt(word: string, from: number): string {
  let end = from;
  while (end < word.length && /[A-Za-z0-9_]/.test(word.charAt(end))) end++;
  return word.slice(from, end);
}
