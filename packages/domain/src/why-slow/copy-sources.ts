/** What an instruction reads of the build context. */
export interface ContextSources {
  /** Relative to the context, without leading or trailing slashes; `` is all of it. */
  readonly patterns: readonly string[];
  /** Whether the patterns are exact. They aren't if a variable is in them, which then stands for any text. */
  readonly exact: boolean;
}

const FLAG = /^--([a-z][a-z-]*)(?:=(\S*))?\s*/;
const REMOTE = /^(?:https?:\/\/|git@|git:\/\/|ssh:\/\/)/;
const VARIABLE = /\$(?:\{[^}]*\}|[A-Za-z_]\w*)/g;

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
  const [line = ''] = body.split('\n');
  const words = wordsOf(line);
  const sources = words.slice(0, -1).filter((word) => !word.startsWith('<<') && !REMOTE.test(word));
  if (sources.length === 0) return undefined;
  // What is excluded is not considered, so a changed file may be one of those.
  return patternsOf(
    sources,
    flags.every(([name]) => name !== 'exclude'),
  );
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
  const regexes = patterns.map((pattern) => new RegExp(`^(?:${toRegex(pattern)})(?:/|$)`, 's'));
  return (path) => regexes.some((regex) => regex.test(path));
}

/** Like Go's `filepath.Match`, in which no wildcard matches a slash. */
function toRegex(pattern: string): string {
  const anyText = pattern.replace(VARIABLE, '\0');
  let regex = '';
  for (let i = 0; i < anyText.length; i++) {
    const char = anyText.charAt(i);
    if (char === '\0') regex += '.*';
    else if (char === '*') regex += '[^/]*';
    else if (char === '?') regex += '[^/]';
    else if (char === '[' && anyText.includes(']', i + 2)) {
      const end = anyText.indexOf(']', i + 2);
      regex += `[${anyText.slice(i + 1, end).replace(/[\\[]/g, '\\$&')}]`;
      i = end;
    } else if (char === '\\' && i + 1 < anyText.length) {
      i += 1;
      regex += escaped(anyText.charAt(i));
    } else regex += escaped(char);
  }
  return regex;
}

function escaped(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
