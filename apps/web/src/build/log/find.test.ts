import { expect, test } from 'vitest';
import { findLines } from './find.ts';

test('a search finds every line of a long log, and each once', async () => {
  const lines = Array.from({ length: 50_001 }, (_, i) =>
    i % 1_000 === 0 ? `line ${i}: \u001b[31mER\u001b[0mror, error` : `line ${i}`,
  );
  const found = await findLines(lines, 'Error', new AbortController().signal);
  expect(found).toEqual(Array.from({ length: 51 }, (_, i) => i * 1_000));
});

test('a search that is no longer wanted ends without a result', async () => {
  expect(await findLines(['a'], 'a', AbortSignal.abort())).toBeUndefined();
});
