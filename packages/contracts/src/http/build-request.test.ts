import { expect, test } from 'vitest';
import { buildRequest } from './build-request.ts';
import { fieldProblems } from './problem.ts';

const SOURCE = { type: 'upload', name: 'app' } as const;

test.each([
  [{ supersede: 'queued' }, 'concurrencyKey', 'nothing', 'a key where supersede is given'],
  [{ concurrencyKey: 'main' }, 'supersede', 'nothing', '"queued" or "running" where concurrencyKey is given'],
  [{ concurrencyKey: 'main', supersede: 'all' }, 'supersede', '"all"', '"queued" or "running"'],
  ...['', 'a b', 'a\nb', 'a\u0000', 'x'.repeat(256)].map(
    (key) =>
      [
        { concurrencyKey: key, supersede: 'queued' },
        'concurrencyKey',
        expect.any(String),
        '1 to 255 characters without white space or control characters',
      ] as const,
  ),
  [{ dedupe: 'yes' }, 'dedupe', '"yes"', 'boolean'],
])('%j is refused', (fields, field, got, expected) => {
  const request = { source: SOURCE, ...fields };
  const parsed = buildRequest.safeParse(request);
  expect(parsed.success).toBe(false);
  if (parsed.error) expect(fieldProblems(parsed.error, request)).toEqual([{ field, got, expected }]);
});

test('a key may be a branch of any language', () => {
  const keyed = { source: SOURCE, concurrencyKey: 'acme/app#bücher/größe', supersede: 'running' };
  expect(buildRequest.parse(keyed)).toMatchObject({ concurrencyKey: 'acme/app#bücher/größe', dedupe: false });
});
