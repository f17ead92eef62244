/** An instruction of a Dockerfile with its here-documents, as it is written but without comments. */
export interface Instruction {
  /** In upper case. */
  readonly op: string;
  readonly text: string;
  /** The build arguments that ARG declares. */
  readonly args?: readonly string[] | undefined;
}

export interface Stage {
  /** As BuildKit names it: the name after AS, or `stage-<n>`. */
  readonly name?: string | undefined;
  /** The image or stage in FROM; absent for what is before the first one. */
  readonly from?: string | undefined;
  readonly instructions: readonly Instruction[];
}

const ESCAPE = /^#\s*escape\s*=\s*(\S)/i;
const DIRECTIVE = /^#\s*[a-z][a-z0-9]*\s*=/i;
const HEREDOC = /<<(-?)(["']?)([A-Za-z_][A-Za-z0-9_.]*)\2/g;
const TAKES_HEREDOC = /^(?:RUN|COPY|ADD)\b/i;
const FROM = /^FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/i;

/**
 * Splits a Dockerfile into stages and instructions like BuildKit's parser: continued lines, comments and here-documents. It checks nothing: what BuildKit
 * would refuse gives some result.
 */
export function readDockerfile(text: string): Stage[] {
  const stages: { name?: string | undefined; from?: string | undefined; instructions: Instruction[] }[] = [
    { instructions: [] },
  ];
  for (const each of logicalLines(text)) {
    const op = /^\S+/.exec(each)?.[0].toUpperCase() ?? '';
    const from = FROM.exec(each);
    if (from) {
      const name = from[2]?.toLowerCase() ?? `stage-${stages.length - 1}`;
      stages.push({ name, from: from[1] ?? '', instructions: [] });
    }
    stages.at(-1)?.instructions.push({ op, text: each, ...(op === 'ARG' && { args: declared(each) }) });
  }
  return stages;
}

function* logicalLines(text: string): Generator<string> {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const escapes = escapeOf(lines);
  const isContinued = (line: string) => line.trimEnd().endsWith(escapes);
  for (let i = 0; i < lines.length; i++) {
    const first = lines[i] ?? '';
    if (isBlank(first)) continue;
    const parts = [first];
    while (isContinued(parts.at(-1) ?? '') && i + 1 < lines.length) {
      i += 1;
      const next = lines[i] ?? '';
      // Comments and empty lines within an instruction don't count.
      if (!isBlank(next)) parts.push(next);
    }
    const line = parts
      .map((part) => (isContinued(part) ? part.trimEnd().slice(0, -1) : part).trim())
      .join(' ')
      .trim();
    const documents: string[] = [];
    for (const { end, chomps } of TAKES_HEREDOC.test(line) ? heredocs(line) : []) {
      for (i += 1; i < lines.length; i++) {
        const body = lines[i] ?? '';
        documents.push(body);
        if ((chomps ? body.replace(/^\t+/, '') : body) === end) break;
      }
    }
    yield [line, ...documents].join('\n');
  }
}

function isBlank(line: string): boolean {
  return /^\s*(?:#|$)/.test(line);
}

/** The escape character, from the parser directives at the top. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const found = ESCAPE.exec(line)?.[1];
    if (found !== undefined) return found;
    if (!DIRECTIVE.test(line)) break;
  }
  return '\\';
}

function heredocs(line: string): { readonly end: string; readonly chomps: boolean }[] {
  const quotes = new Quotes(line);
  return [...line.matchAll(HEREDOC)]
    .filter((match) => line[match.index - 1] !== '<' && !quotes.haveAt(match.index))
    .map(([, chomps, , end = '']) => ({ end, chomps: chomps === '-' }));
}

/** Tells which positions of a line are in quotes. They must be asked for in ascending order, so that a line is read only once. */
class Quotes {
  readonly #line: string;
  #at = 0;
  #open: string | undefined;

  constructor(line: string) {
    this.#line = line;
  }

  haveAt(position: number): boolean {
    for (; this.#at < position; this.#at++) {
      const char = this.#line[this.#at];
      if (this.#open === undefined && (char === '"' || char === "'")) this.#open = char;
      else if (char === this.#open) this.#open = undefined;
    }
    return this.#open !== undefined;
  }
}

function declared(text: string): string[] {
  return [...text.slice('ARG'.length).matchAll(/(?:^|\s)([A-Za-z_]\w*)(?==|\s|$)/g)].map(([, name = '']) => name);
}
