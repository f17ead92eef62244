import { readFileSync, writeFileSync } from 'node:fs';
import { check, type Verdict } from './check.ts';
import type { FoundRegexp } from './collect.ts';

type Known = Pick<FoundRegexp, 'source' | 'flags'>;

/**
 * Regular expressions that a checker has found linear, each as `/source/flags`, sorted. The exact one takes up to a minute for some, so
 * what it found is kept: `npm run check:regexps` brings the file up to date.
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

/** What is to be said of one that was found; undefined where it is in order. */
export function faultOf(found: FoundRegexp, known: ReadonlySet<string>, timeoutMs: number): string | undefined {
  const form = formOf(found);
  if (known.has(form)) return undefined;
  const verdict: Verdict = check(found, timeoutMs);
  if (verdict === 'linear') return undefined;
  const what = {
    exponential: 'can take for ever',
    polynomial: 'takes too long for long texts',
    unknown: 'is too hard to check',
  };
  return `${found.at}: ${form} ${what[verdict]}: write it so that no text can be matched in two ways (then run npm run check:regexps)`;
}
