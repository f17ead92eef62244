import { describe, expect, test } from 'vitest';
import { check } from './check.ts';
import { collectFrom, collectRegexps, type FoundRegexp, formatRegexps, type MadeRegexp } from './collect.ts';
import { faultOf, formOf, knownLinear } from './verdicts.ts';

/** For an expression that is not recorded in linear.json. */
const TIMEOUT_MS = 10_000;

/** Files that make regular expressions at run time, and why that is safe. */
const MADE: readonly { readonly file: string; readonly why: string }[] = [
  {
    file: 'apps/cli/src/context/ignore-pattern.ts',
    why: 'made from the user’s own .dockerignore, on the user’s machine, as docker does',
  },
  { file: 'packages/buildkit/src/outcome/builder-fault.ts', why: 'made from constants in the same file' },
  { file: 'packages/state/src/redis/memory.ts', why: 'made from names of fields of Redis, which are constants' },
];

const found = collectRegexps();

function foundIn(text: string): { regexps: FoundRegexp[]; made: MadeRegexp[]; formats: Map<string, string> } {
  const all = { regexps: [] as FoundRegexp[], made: [] as MadeRegexp[], formats: new Map<string, string>() };
  collectFrom('a.ts', text, all);
  return all;
}

describe('the collector', () => {
  test('finds literals, RegExp of constants, and formats of zod, with their lines', () => {
    const text = [
      "const A = 'a+'; const B = String.raw`\\d{2}`;",
      'const one: RegExp = /x/gi;',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a text that holds code
      'new RegExp(`^${A}|${B}$`, "u");',
      'RegExp("^" + A); RegExp([A, "b"].join("|"), "g");',
      'z.string().regex(/y/).max(3); z.iso.datetime(); z.email();',
    ].join('\n');
    const { regexps, made, formats } = foundIn(text);
    expect(regexps.map((one) => `${one.at} ${formOf(one)}`)).toEqual([
      'a.ts:2 /x/gi',
      'a.ts:3 /^a+|\\d{2}$/u',
      'a.ts:4 /^a+/',
      'a.ts:4 /a+|b/g',
      'a.ts:5 /y/',
    ]);
    expect(made).toEqual([]);
    expect([...formats.keys()]).toEqual(expect.arrayContaining(['datetime', 'email']));
  });

  test('reports expressions that are made at run time', () => {
    expect(foundIn('export const f = (text: string) => new RegExp(text);').made).toEqual([
      { at: 'a.ts:1', code: 'new RegExp(text)' },
    ]);
  });

  test('finds the expressions of the production code', () => {
    expect(found.regexps.length).toBeGreaterThan(200);
    expect(found.regexps.some(({ at }) => at.startsWith('packages/contracts/src/http/build-request.ts:'))).toBe(true);
  });
});

describe('the checker', () => {
  test.each([
    ['^[a-z]+=[^\\s]+(,[a-z]+=[^\\s]+)*$', 'exponential'],
    ['^(?:a+)+$', 'exponential'],
    ['\\/+$', 'polynomial'],
    ['^[a-z]+=\\S+$', 'linear'],
  ])('%s is %s', (source, verdict) => {
    expect(check({ source, flags: '' }, TIMEOUT_MS)).toBe(verdict);
  });
});

test('every regular expression of the code matches in linear time', () => {
  const known = knownLinear();
  const all = new Map(found.regexps.map((one) => [formOf(one), one]));
  expect([...all.values()].flatMap((one) => faultOf(one, known, TIMEOUT_MS) ?? [])).toEqual([]);
});

test('every format of zod that the code uses matches in linear time', () => {
  const used = formatRegexps(found.formats);
  expect(used.map(({ at }) => at).join()).toContain('datetime');
  expect(used.flatMap((one) => faultOf(one, knownLinear(), TIMEOUT_MS) ?? [])).toEqual([]);
});

test('only known files make regular expressions at run time', () => {
  expect(found.made.map(({ at }) => at.replace(/:\d+$/, ''))).toEqual(MADE.map(({ file }) => file));
});
