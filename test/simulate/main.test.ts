import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build, SMALL, trace } from './testing/small-trace.ts';
import { makeTrace } from './trace/make-trace.ts';
import { readTrace, writeTrace } from './trace/trace-file.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kiln-simulate-'));
});
afterAll(() => rm(directory, { recursive: true }));
const path = (name: string) => join(directory, name);

function simulate(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { PATH: process.env.PATH };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

test('plays a trace file and writes a table, a chart, the figures, and the trace again', async () => {
  await writeTrace(path('in.jsonl'), makeTrace({ ...SMALL, hours: 3 }, 4));
  const files = ['--svg', path('out.svg'), '--json', path('out.json'), '--save-trace', path('again.jsonl')];
  const { code, stdout } = await simulate('--trace', path('in.jsonl'), '--policy', 'kiln,sticky-hash', ...files);
  expect(code).toBe(0);
  expect(stdout).toMatch(/in\.jsonl: \d+ builds on 5 hosts/);
  for (const line of ['pooled-bound', 'kiln', 'sticky-hash']) expect(stdout).toMatch(new RegExp(`^ *${line} `, 'm'));
  expect(await readFile(path('out.svg'), 'utf8')).toContain('<svg');
  const [played] = JSON.parse(await readFile(path('out.json'), 'utf8'));
  expect(Object.keys(played.figures)).toEqual(['pooled-bound', 'kiln', 'sticky-hash']);
  expect(played.figures.kiln.meanFinish).toBeGreaterThanOrEqual(60);
  const again = await readTrace(path('again.jsonl'));
  expect(again.builds.length > 0 && { ...again, name: path('in.jsonl') }).toEqual(await readTrace(path('in.jsonl')));
});

test('plays a made trace by name and seed, the same way each time', async () => {
  const args = ['--scenario', 'half', '--seed', '3', '--policy', 'kiln'];
  const [first, second] = await Promise.all([simulate(...args), simulate(...args)]);
  expect(first?.stdout).toContain('half, seed 3');
  expect(second).toEqual(first);
});

test('prints a table for each figure of the suite, and marks scenarios on which the constants weren’t chosen', async () => {
  const { code, stdout } = await simulate('--suite', '--seed', '1', '--scenario', 'half,tight', '--policy', 'kiln');
  expect(code).toBe(0);
  expect(stdout).toMatch(/Mean time to finish ÷ pooled-cache bound\n\n +half +tight\*\n +kiln +\d/);
  expect(stdout).toMatch(/Longest wait of any build, in minutes\n\n +half +tight\*\n +pooled-bound +\d+ +\d+\n +kiln/);
});

test('prints help', async () => {
  const { code, stdout } = await simulate('--help');
  expect(code).toBe(0);
  expect(stdout).toContain('--save-trace FILE');
});

test('exits with 2 and one line that names a bad flag or trace', async () => {
  await writeFile(path('bad.jsonl'), '{"type":"host"}\n');
  await writeTrace(path('empty.jsonl'), trace([build('1', 0)], { hosts: [] }));
  for (const [args, message] of [
    [['--policy', 'nobody'], /^simulate: --policy: got "nobody", expected one of .+\n$/],
    [['--trace', path('bad.jsonl')], /^simulate: .*bad\.jsonl:1: host: got nothing, expected string\n$/],
    [['--trace', path('empty.jsonl')], /^simulate: .*empty\.jsonl: got no host at t 0, .+\n$/],
    [['--trace', path('nowhere')], /^simulate: .*nowhere: can't be read \(ENOENT\)\n$/],
    [['--export', path('x')], /^simulate: KILN_URL: got nothing, expected .+\n$/],
  ] as const) {
    const { code, stdout, stderr } = await simulate(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  }
});
