/** What an instruction reads of the build context. */
export interface ContextSources {
  /** Relative to the context, without leading or trailing slashes; `` is all of it. */
  readonly patterns: readonly string[];
  /** Whether the patterns are exact. They aren't if a variable is in them, which then stands for any text. */
  readonly exact: boolean;
}

const FLAG = /^--([a-z][a-z-]*)(?:=(\S*))?\s*/;
const REMOTE = /^(?:https?:\/\/|git@|git:\/\/|ssh:\/\/)/;
const MAX_NESTED = 8;
/** A variable, or the innermost one of those that are nested. */
const VARIABLE = /\$\{[^}$]*\}|\$[A-Za-z_]\w*/g;

/** Returns what of the context an instruction reads; undefined if it reads nothing of it. @param isStage whether a `from` names a stage or an image */
export function contextSources(instruction: string): ContextSources | undefined {
  const [op = ''] = /^\S+/.exec(instruction) ?? [];
  const rest = instruction.slice(op.length).trim();
  switch (op.toUpperCase()) {
    case 'COPY':
    case 'ADD':
      return copied(rest);
    case 'RUN':
      return bound(rest);
    default:
      return undefined;
  }
}

function copied(rest: string): ContextSources | undefined {
  const { flags, body } = withoutFlags(rest);
  if (flags.some(([name]) => name === 'from')) return undefined;
  const sources = sourcesIn(body).filter((word) => !word.startsWith('<<') && !REMOTE.test(word));
  if (sources.length === 0) return undefined;
  // What is excluded is not considered, so a changed file may be one of those.
  return patternsOf(
    sources,
    flags.every(([name]) => name !== 'exclude'),
  );
}

/** Returns the URLs that an ADD fetches, git repositories among them. */
export function remoteSources(instruction: string): string[] {
  const [op = ''] = /^\S+/.exec(instruction) ?? [];
  if (op.toUpperCase() !== 'ADD') return [];
  return sourcesIn(withoutFlags(instruction.slice(op.length).trim()).body).filter((word) => REMOTE.test(word));
}

/** The last word is the destination. */
function sourcesIn(body: string): string[] {
  const [line = ''] = body.split('\n');
  return wordsOf(line).slice(0, -1);
}

/** Bind mounts without `from` show the context. */
function bound(rest: string): ContextSources | undefined {
  const { flags } = withoutFlags(rest);
  const sources = flags.flatMap(([name, value]) => {
    if (name !== 'mount') return [];
    const options = new Map(value.split(',').map((option) => splitOnce(option)));
    const type = options.get('type') ?? 'bind';
    if (type !== 'bind' || options.has('from')) return [];
    return [options.get('source') ?? options.get('src') ?? '.'];
  });
  return sources.length === 0 ? undefined : patternsOf(sources, true);
}

function withoutFlags(rest: string): { flags: [string, string][]; body: string } {
  const flags: [string, string][] = [];
  let body = rest;
  for (let match = FLAG.exec(body); match; match = FLAG.exec(body)) {
    flags.push([match[1] ?? '', (match[2] ?? '').replace(/^(["'])(.*)\1$/, '$2')]);
    body = body.slice(match[0].length);
  }
  return { flags, body };
}

function splitOnce(option: string): [string, string] {
  const at = option.indexOf('=');
  return at < 0 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)];
}

function wordsOf(line: string): string[] {
  if (line.startsWith('[')) {
    try {
      const list: unknown = JSON.parse(line);
      if (Array.isArray(list)) return list.map(String);
    } catch {
      // Not JSON: BuildKit takes it as plain words, too.
    }
  }
  return [...line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replace(/["']/g, ''));
}

function patternsOf(sources: readonly string[], exact: boolean): ContextSources {
  const patterns = sources.map(cleaned);
  const isPlain = patterns.every((pattern) => !pattern.includes('$'));
  return { patterns, exact: exact && isPlain };
}

function cleaned(source: string): string {
  const parts: string[] = [];
  for (const part of source.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** Returns a test for the paths that an instruction reads: its sources and all that is below them. */
export function readsPath({ patterns }: ContextSources): (path: string) => boolean {
  if (patterns.includes('')) return () => true;
  const all = patterns.map(tokensOf);
  return (path) => all.some((tokens) => matchesStart(tokens, path));
}

/** A part of a pattern: what one character may be, and whether there may be any number of such. */
interface Token {
  readonly accepts: (char: string) => boolean;
  readonly repeats: boolean;
}

const noSlash = (char: string) => char !== '/';

/** Like Go's `filepath.Match`, in which no wildcard matches a slash. A variable stands for any text. */
function tokensOf(pattern: string): Token[] {
  let anyText = pattern;
  for (let depth = 0; depth < MAX_NESTED; depth++) anyText = anyText.replaceAll(VARIABLE, '\0');
  const tokens: Token[] = [];
  for (let i = 0; i < anyText.length; i++) {
    const char = anyText.charAt(i);
    if (char === '\0') tokens.push({ accepts: () => true, repeats: true });
    else if (char === '*') tokens.push({ accepts: noSlash, repeats: true });
    else if (char === '?') tokens.push({ accepts: noSlash, repeats: false });
    else if (char === '[' && anyText.includes(']', i + 2)) {
      const end = anyText.indexOf(']', i + 2);
      tokens.push({ accepts: inClass(anyText.slice(i + 1, end)), repeats: false });
      i = end;
    } else {
      if (char === '\\' && i + 1 < anyText.length) i += 1;
      const literal = anyText.charAt(i);
      tokens.push({ accepts: (other) => other === literal, repeats: false });
    }
  }
  return tokens;
}

/** @param text what is between the brackets: characters and ranges, after `^` those that don't match */
function inClass(text: string): (char: string) => boolean {
  const isNegated = text.startsWith('^');
  const listed = isNegated ? text.slice(1) : text;
  const ranges: [string, string][] = [];
  for (let i = 0; i < listed.length; i++) {
    const from = listed.charAt(i);
    const isRange = listed.charAt(i + 1) === '-' && i + 2 < listed.length;
    ranges.push([from, isRange ? listed.charAt(i + 2) : from]);
    if (isRange) i += 2;
  }
  return (char) => ranges.some(([from, to]) => from <= char && char <= to) !== isNegated;
}

/**
 * Whether the pattern matches the path or a directory above it. Follows all ways to match at the same time, because a regular expression would take
 * time that grows exponentially with the number of wildcards, and the patterns are those of users.
 */
function matchesStart(tokens: readonly Token[], path: string): boolean {
  let places = afterRepeats(tokens, new Set([0]));
  for (let i = 0; ; i++) {
    const char = path.charAt(i);
    if (places.has(tokens.length) && (char === '' || char === '/')) return true;
    if (char === '' || places.size === 0) return false;
    const next = new Set<number>();
    for (const at of places) {
      const token = tokens[at];
      if (token?.accepts(char)) next.add(token.repeats ? at : at + 1);
    }
    places = afterRepeats(tokens, next);
  }
}

/** Adds the places after tokens that may match nothing. */
function afterRepeats(tokens: readonly Token[], places: Set<number>): Set<number> {
  for (const at of places) if (tokens[at]?.repeats) places.add(at + 1);
  return places;
}
