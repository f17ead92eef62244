import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';

const ROOM = join(import.meta.dirname, '..', '..');
const GENERATED = 'src/control/generated';

async function filesOf(dir: string): Promise<Record<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path.slice(dir.length), await readFile(path, 'utf8')])),
  );
}

test('the generated code matches proto/; npm run generate updates it', async () => {
  const output = await mkdtemp(join(tmpdir(), 'kiln-generate-'));
  onTestFinished(() => rm(output, { recursive: true }));
  const bin = join(ROOM, 'node_modules', '.bin');
  const path = [bin, dirname(process.execPath), process.env.PATH].join(delimiter);
  await promisify(execFile)(join(bin, 'buf'), ['generate', '--output', output], {
    cwd: ROOM,
    env: { ...process.env, PATH: path, BUF_CACHE_DIR: join(output, 'cache') },
  });
  expect(await filesOf(join(ROOM, GENERATED))).toEqual(await filesOf(join(output, GENERATED)));
});
