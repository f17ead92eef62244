import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { gitEnvironment } from './git-environment.ts';
import { type GitRun, runGit } from './run-git.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'kiln-run-git-'));
});
afterAll(() => rm(dir, { recursive: true }));

/** Makes git run a script, like one of its own helpers. */
function script(text: string, more: Partial<GitRun> = {}) {
  return runGit(['script'], {
    cwd: dir,
    env: gitEnvironment({ protocol: 'https', config: { 'alias.script': `!${text}` } }),
    timeoutMs: 20_000,
    maxFileBytes: 64 * 1024,
    maxOutputBytes: 1000,
    signal: new AbortController().signal,
    ...more,
  });
}
const WAIT = { timeout: 60_000, interval: 10 };
/** @throws Error until the file has a whole line */
async function readPid(file: string): Promise<string> {
  const [, pid] = /^(\d+)\n/.exec(await readFile(file, 'utf8')) ?? [];
  if (pid === undefined) throw new Error(`no pid in ${file}`);
  return pid;
}
const isAlive = (pid: number) => {
  try {
    // A zombie, whose parent hasn't collected it yet, is dead.
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('Z');
  } catch {
    return false;
  }
};

test('reads no more than the limit, and kills git then', async () => {
  const end = await script('yes');
  if (!end.ok) throw new Error(end.stderr);
  expect(end.isCut).toBe(true);
  expect(end.output.length).toBeLessThan(200_000);
});

test('keeps only the beginning of a long stderr', async () => {
  const end = await script('head -c 1000000 /dev/zero >&2; exit 1');
  expect(end).toMatchObject({ ok: false, why: 'exit' });
  expect(end.ok || end.stderr.length).toBeLessThanOrEqual(16 * 1024);
});

test('limits files and memory, also of processes that git starts', async () => {
  const end = await script('ulimit -f; ulimit -v');
  expect(end.ok && end.output.toString()).toBe(`128\n${2 * 1024 * 1024}\n`);
  const written = await script('head -c 100000 /dev/zero > large');
  expect(written).toMatchObject({ ok: false });
});

test.each(['timeout', 'abort'])('kills everything that git has started on %s', async (cause) => {
  const file = join(dir, `pid-${cause}`);
  const stop = new AbortController();
  const running = script(`sleep 600 & echo $! > ${file}; wait`, {
    signal: stop.signal,
    ...(cause === 'timeout' && { timeoutMs: 2_000 }),
  });
  // Keeps a failure below from becoming an unhandled rejection.
  running.catch(() => {});
  const pid = Number(await vi.waitFor(() => readPid(file), WAIT));
  expect(isAlive(pid)).toBe(true);
  if (cause === 'timeout') {
    expect(await running).toMatchObject({ ok: false, why: 'timeout' });
  } else {
    stop.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  }
  await expect.poll(() => isAlive(pid), WAIT).toBe(false);
});
