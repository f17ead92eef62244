import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CacheForms } from './cache-forms.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-forms-'));
});
afterAll(() => rm(dir, { recursive: true }));

test('goes from index to image to inline for one registry, and a restarted worker remembers that', async () => {
  const forms = new CacheForms(dir, log);
  expect((await forms.all())('r.io')).toBe('index');
  expect(await forms.refused('r.io', 'index')).toBe('image');
  // Of two builds that found out the same at the same time, the second changes nothing.
  expect(await forms.refused('r.io', 'index')).toBe('image');
  const restarted = new CacheForms(dir, log);
  expect(['r.io', 'other.io'].map(await restarted.all())).toEqual(['image', 'index']);
  expect(await restarted.refused('r.io', 'image')).toBe('inline');
  expect(await restarted.refused('r.io', 'inline')).toBeUndefined();
});
