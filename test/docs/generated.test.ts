import { expect, test } from 'vitest';
import { GENERATED, readPage } from './generated.ts';

test.for(GENERATED)('$file is up to date; else run: npm run docs', (page) => {
  const text = readPage(page);
  expect(text).toBe(page.render(text));
});
