import { expect, test } from 'vitest';
import { byteString } from '../merkle/byte-string.ts';
import { TreeFault } from '../merkle/tree-fault.ts';
import { checkReadable } from './check-readable.ts';
import type { ListedEntry } from './tree-source.ts';

const file = (mode: number, sizeBytes = 1): ListedEntry => ({
  ...{ type: 'file', path: byteString('d/ü'), mode, sizeBytes, contentId: '1' },
});
const directory = (mode: number): ListedEntry => ({ type: 'directory', path: byteString('d'), mode, contentId: '1' });

test('refuses a file that its owner may not read, by its name', () => {
  for (const mode of [0o000, 0o200, 0o111, 0o4111, 0o044]) {
    expect(() => checkReadable([directory(0o755), file(mode)])).toThrow(TreeFault);
  }
  expect(() => checkReadable([file(0o200)])).toThrow(
    '"d/ü": got mode 0200, expected a file that its owner may read (chmod u+r), or an ignore file that leaves it out',
  );
});

test('refuses a directory that its owner may not list or pass through', () => {
  for (const mode of [0o000, 0o300, 0o400, 0o100, 0o077]) {
    expect(() => checkReadable([directory(mode), file(0o644)])).toThrow(/^"d": got mode 0\d+, expected a directory/);
  }
});

test('accepts everything else, and an empty file of any mode', () => {
  const link: ListedEntry = { type: 'symlink', path: byteString('l'), target: byteString('gone') };
  checkReadable([directory(0o500), directory(0o1777), file(0o400), file(0o4755), file(0o000, 0), link]);
});
