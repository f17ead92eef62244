import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleApp, startFile } from '@kiln/bundle';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPool } from '../support/pool/start-pool.ts';

const ROLES = ['api', 'scheduler', 'worker'] as const;

let dir: string;
beforeAll(async () => {
  // Outside of the repository, whose node_modules would be found otherwise.
  dir = await mkdtemp(join(tmpdir(), 'kiln-bundle-'));
  for (const role of ROLES) await bundleApp(role, join(dir, role));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const program = (role: (typeof ROLES)[number]) => join(dir, role, startFile(role));

test('a pool of bundled services builds an image', async () => {
  const programs = { api: program('api'), scheduler: program('scheduler'), worker: program('worker') };
  const pool = await startPool({ programs });
  const { id } = await pool.submit('FROM scratch\nCOPY a /\n', { files: { a: 'a' } });
  expect(await pool.end(id)).toMatchObject({ state: 'succeeded' });
});

test('a bundled service names the setting that is wrong', () => {
  const { status, stderr } = spawnSync(process.execPath, [program('api')], { encoding: 'utf8', env: {} });
  expect([status, stderr]).toEqual([2, expect.stringContaining('KILN_REDIS_URL')]);
});

test('replaces a bundle at once, and leaves nothing beside it', async () => {
  const out = join(dir, 'again');
  await bundleApp('scheduler', out);
  const before = await readFile(join(out, startFile('scheduler')), 'utf8');
  await bundleApp('scheduler', out);
  expect(await readFile(join(out, startFile('scheduler')), 'utf8')).toBe(before);
  expect((await readdir(out)).sort()).toEqual(['js', 'lua']);
  expect((await readdir(dir)).sort()).toEqual(['again', ...ROLES]);
});
