export interface Instruction {
  /** In upper case. */
  readonly name: string;
  /** Its arguments, separated by white space, with their quotes. Those of a heredoc's body are left out. */
  readonly words: readonly string[];
}

const HAVE_HEREDOCS: ReadonlySet<string> = new Set(['RUN', 'COPY', 'ADD']);

/** Reads a Dockerfile's instructions: joins continued lines, and skips comments and the bodies of heredocs. Nothing is checked. */
export function* instructionsOf(dockerfile: string): Generator<Instruction> {
  const lines = dockerfile.replace(/^\ufeff/, '').split('\n');
  const escaper = escapeOf(lines);
  for (let at = 0; at < lines.length; ) {
    let text = '';
    for (let continues = true; continues && at < lines.length; at++) {
      const line = (lines[at] ?? '').trim();
      // Comments, and empty lines as well, don't end a continued line.
      if (line.startsWith('#') || (line === '' && text !== '')) continue;
      continues = line.endsWith(escaper);
      text += continues ? `${line.slice(0, -1)} ` : line;
    }
    const [name = '', ...words] = wordsOf(text, escaper);
    if (name === '') continue;
    const instruction = { name: name.toUpperCase(), words };
    if (HAVE_HEREDOCS.has(instruction.name)) at = afterHeredocs(lines, at, words);
    yield instruction;
  }
}

/** Returns the escape character, which a directive among the first lines may set. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name, value] = /^#\s*([a-zA-Z]+)\s*=\s*(\S+)/.exec(line.trim()) ?? [];
    if (name === undefined) return '\\';
    if (name.toLowerCase() === 'escape') return value === '`' ? '`' : '\\';
  }
  return '\\';
}

/** Splits at white space outside of quotes. */
function wordsOf(text: string, escaper: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === escaper && quote !== "'") word += char + text.charAt(++at);
    else if (quote === '' && /\s/.test(char)) {
      if (word !== '') words.push(word);
      word = '';
    } else {
      if (char === quote) quote = '';
      else if (quote === '' && (char === '"' || char === "'")) quote = char;
      word += char;
    }
  }
  return word === '' ? words : [...words, word];
}

/** Returns the line after the bodies of the heredocs that an instruction begins. */
function afterHeredocs(lines: readonly string[], from: number, words: readonly string[]): number {
  let at = from;
  for (const word of words) {
    const [, dash, , end] = /^\d*<<(-?)(["']?)([^<"'\s]+)\2$/.exec(word) ?? [];
    if (end === undefined) continue;
    const isEnd = (line: string) => (dash === '-' ? line.replace(/^\t+/, '') : line).replace(/\r$/, '') === end;
    while (at < lines.length && !isEnd(lines[at] ?? '')) at++;
    at++;
  }
  return at;
}
