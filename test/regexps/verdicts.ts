import { readFileSync, writeFileSync } from 'node:fs';
import { check, type Verdict } from './check.ts';
import type { FoundRegexp } from './collect.ts';

type Known = Pick<FoundRegexp, 'source' | 'flags'>;

/**
 * Regular expressions that were found to be linear, each as `/source/flags`, sorted. They are recorded because the exact checker takes up to
 * a minute for some. `npm run check:regexps` updates the file.
 */
const FILE = new URL('linear.json', import.meta.url);

export function formOf({ source, flags }: Known): string {
  return `/${source}/${flags}`;
}

export function knownLinear(): ReadonlySet<string> {
  return new Set(JSON.parse(readFileSync(FILE, 'utf8')) as string[]);
}

export function keepLinear(forms: Iterable<string>): void {
  writeFileSync(FILE, `${JSON.stringify([...forms].sort(), null, 2)}\n`);
}

/** Describes what is wrong with a regular expression; undefined if it is linear. */
export function faultOf(found: FoundRegexp, known: ReadonlySet<string>, timeoutMs: number): string | undefined {
  const form = formOf(found);
  if (known.has(form)) return undefined;
  const verdict: Verdict = check(found, timeoutMs);
  if (verdict === 'linear') return undefined;
  const what = {
    exponential: 'can take exponential time',
    polynomial: 'can take polynomial time',
    unknown: 'could not be checked',
  };
  return `${found.at}: ${form} ${what[verdict]}: rewrite it so that no text can be matched in two ways, then run npm run check:regexps`;
}
