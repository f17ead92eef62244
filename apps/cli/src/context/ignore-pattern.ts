import { posix } from 'node:path';
import { UsageError } from '../io/errors.ts';

/** A compiled line of a .dockerignore. */
export interface IgnorePattern {
  /** The cleaned pattern, without `!`. */
  readonly text: string;
  /** The line started with `!`: what it matches is sent. */
  readonly exception: boolean;
  readonly matches: (path: string) => boolean;
}

/**
 * Parses a .dockerignore like moby's `ignorefile.ReadAll`: `#` starts a comment only in column 1, surrounding white space and a leading
 * slash are removed, and paths are cleaned. @throws UsageError for a pattern with a malformed character class
 */
export function readIgnoreFile(text: string, file = '.dockerignore'): IgnorePattern[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .flatMap((line, index) => {
      if (line.startsWith('#')) return [];
      const trimmed = line.trim();
      const exception = trimmed.startsWith('!');
      const body = (exception ? trimmed.slice(1) : trimmed).trim();
      if (body === '') {
        if (exception) throw new UsageError(`${file}:${index + 1}: "!" without a pattern`);
        return [];
      }
      return [compile(body, exception, `${file}:${index + 1}`)];
    });
}

function compile(body: string, exception: boolean, where: string): IgnorePattern {
  const text = cleanPath(body).replace(/^\/(?=.)/, '');
  const suffix = plainSuffix(text);
  if (suffix !== undefined) return { text, exception, matches: (path) => hasSuffix(path, suffix) };
  let regex: RegExp;
  try {
    regex = new RegExp(toRegex(text), 's');
  } catch {
    throw new UsageError(`${where}: ${JSON.stringify(body)} is not a valid pattern`);
  }
  return { text, exception, matches: (path) => regex.test(path) };
}

/** Cleans a path like Go's `filepath.Clean`: removes `.`, doubled and trailing slashes, and resolves `..`. */
function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 ? clean.replace(/\/$/, '') : clean;
}

/** moby matches `**` followed by plain text as a suffix, so `**foo` matches `a/xfoo`, unlike by the general rule. */
function plainSuffix(text: string): string | undefined {
  const rest = text.startsWith('**') ? text.slice(2) : undefined;
  return rest !== undefined && rest !== '' && !/[*?[\]\\]/.test(rest) ? rest : undefined;
}

function hasSuffix(path: string, suffix: string): boolean {
  return path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1));
}

/** Returns the regular expression that moby/patternmatcher derives from a pattern. */
function toRegex(text: string): string {
  let regex = '^';
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    at += 1;
    if (char === '*' && text[at] === '*') {
      at += 1;
      if (text[at] === '/') at += 1;
      regex += at >= text.length ? '.*' : '(?:.*/)?';
    } else if (char === '*') regex += '[^/]*';
    else if (char === '?') regex += '[^/]';
    else if (char === '\\' && at < text.length) {
      regex += `\\${text.charAt(at)}`;
      at += 1;
    } else if (char === '\\') regex += '\\\\';
    else if (char === '[' || char === ']') regex += char;
    else regex += '.+()|{}$'.includes(char) ? `\\${char}` : char;
  }
  return `${regex}$`;
}
