import { expect, test } from 'vitest';
import { hiddenSecrets } from './hidden-secrets.ts';

test('hides texts, and bytes as bytes and, if there are few, as a terminal shows them', () => {
  const [few, many] = [Buffer.of(0x61, 0xff, 0x62, 0x63), Buffer.alloc(5_000, 0xff)];
  const secrets = new Map([
    ['text', 'abc'],
    ['few', few.toString('base64')],
    ['many', many.toString('base64')],
  ]);
  expect(hiddenSecrets({ binarySecrets: ['few', 'many'] }, secrets)).toEqual({
    hidden: ['abc', 'a\ufffdbc'],
    hiddenBytes: [few, many],
  });
  expect(hiddenSecrets({}, secrets).hidden).toEqual([...secrets.values()]);
});
