import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';

const WEB = fileURLToPath(new URL('../../apps/web/', import.meta.url));
const ASSETS = join(WEB, 'dist/assets');
const FIRST_LOAD_BYTES = 250_000;
const FURTHER_PAGE_BYTES = 100_000;

beforeAll(async () => {
  await promisify(execFile)('bash', [join(WEB, 'build')]);
});

const gzippedBytes = async (name: string) => (await stat(join(ASSETS, `${name}.gz`))).size;

test('the page loads less than 250 kB at first, and each further page less than 100 kB', async () => {
  const html = await readFile(join(WEB, 'dist/index.html'), 'utf8');
  const first = new Set([...html.matchAll(/assets\/([\w.-]+\.(?:js|css|svg))/g)].map(([, name]) => name ?? ''));
  // A script names those that it imports, with those of further pages as dynamic imports.
  for (const name of first) {
    if (!name.endsWith('.js')) continue;
    const text = await readFile(join(ASSETS, name), 'utf8');
    for (const [, imported = ''] of text.matchAll(/from\s?["'`]\.\/([\w.-]+\.js)["'`]/g)) first.add(imported);
  }
  expect(first.size).toBeGreaterThan(1);
  const sizes = await Promise.all([...first].map(gzippedBytes));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(FIRST_LOAD_BYTES);
  const further = (await readdir(ASSETS)).filter((name) => /\.(?:js|css)$/.test(name) && !first.has(name));
  expect(further.length).toBeGreaterThan(0);
  for (const name of further) expect(await gzippedBytes(name), name).toBeLessThan(FURTHER_PAGE_BYTES);
});
