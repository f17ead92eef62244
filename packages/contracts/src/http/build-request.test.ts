import { expect, test } from 'vitest';
import { buildRequest } from './build-request.ts';
import { fieldProblems } from './problem.ts';

const SOURCE = { type: 'upload', name: 'app' } as const;

const REFUSED: [fields: object, field: string, got: string | undefined, expected: string][] = [
  [{ supersede: 'queued' }, 'concurrencyKey', 'nothing', 'a key, because supersede is given'],
  [{ concurrencyKey: 'main' }, 'supersede', 'nothing', '"queued" or "running", because concurrencyKey is given'],
  [{ concurrencyKey: 'main', supersede: 'all' }, 'supersede', '"all"', '"queued" or "running"'],
  [{ dedupe: 'yes' }, 'dedupe', '"yes"', 'boolean'],
];
const BAD_KEYS = ['', 'a b', 'a\nb', 'a\u0000', 'x'.repeat(256)];

test.each(REFUSED)('refuses %j', (fields, field, got, expected) => {
  expect(problemsOf(fields)).toEqual([{ field, got, expected }]);
});

test.each(BAD_KEYS)('refuses the concurrency key %j', (concurrencyKey) => {
  const expected = '1 to 255 characters without white space or control characters';
  expect(problemsOf({ concurrencyKey, supersede: 'queued' })).toMatchObject([{ field: 'concurrencyKey', expected }]);
});

function problemsOf(fields: object) {
  const request = { source: SOURCE, ...fields };
  const { error } = buildRequest.safeParse(request);
  return error && fieldProblems(error, request);
}

test('accepts a concurrency key in any language', () => {
  const keyed = { source: SOURCE, concurrencyKey: 'acme/app#bücher/größe', supersede: 'running' };
  expect(buildRequest.parse(keyed)).toMatchObject({ concurrencyKey: 'acme/app#bücher/größe', dedupe: false });
});

test.each(['mode=max', 'mode=min,inline-only=true', 'mode=max,builder-id=https://ci.example/run?a=b'])(
  'accepts the attestation %s',
  (provenance) => {
    expect(buildRequest.parse({ source: SOURCE, provenance })).toMatchObject({ provenance });
  },
);

test.each([
  `${'a=,'.repeat(38)}a`,
  `a=${'a=,'.repeat(38)} `,
  `mode=${'x,a='.repeat(1_000_000)}\n`,
  `registry.example/${'a-'.repeat(1_000_000)}`,
])('soon refuses an attestation or tag that could be parsed in many ways', (text) => {
  const before = performance.now();
  expect(problemsOf({ provenance: text, sbom: text, tags: [text] })).toBeDefined();
  expect(performance.now() - before).toBeLessThan(1_000);
});

test('accepts image references with optional registry and tag as tags, and refuses anything else', () => {
  const good = 'a a:1 a/b R.example:5000/a/b-c__d.e:V_1.x localhost/a r-1.example/a A/b a:1/b 127.0.0.1:5000/a'.split(
    ' ',
  );
  const bad = ['', ...'A a: a:1:2 a/B /a a/ a//b -a a- a..b a/b:c/d r_x:1/a -r/a r./a r:123456/a a:.x'.split(' ')];
  expect(good.filter((tag) => problemsOf({ tags: [tag] }))).toEqual([]);
  expect(bad.filter((tag) => !problemsOf({ tags: [tag] }))).toEqual([]);
});
