import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, host, SMALL, trace } from '../testing/small-trace.ts';
import { makeTrace } from './make-trace.ts';
import { readTrace, TraceFileError, writeTrace } from './trace-file.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kiln-trace-'));
});
afterAll(() => rm(directory, { recursive: true }));
const file = () => join(directory, 'trace.jsonl');

async function read(...lines: readonly (object | string)[]) {
  await writeFile(file(), lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return readTrace(file());
}

const HOST = { type: 'host', host: 'a', slots: 2, disk: 20 };
const RUN = { warm: 10, stale: 20, cold: 100 };
const BUILD = { type: 'build', build: '1', submitted: 5, repo: 'app', run: RUN };

describe('a trace file', () => {
  test('is read back as it was written', async () => {
    const made = {
      ...makeTrace(
        { ...SMALL, hours: 3, classes: { interactive: 0.3, normal: 0.3, batch: 0.4 }, teams: { a: 1, b: 1 } },
        3,
      ),
      changes: [
        { type: 'up', t: 10, host: 'late', slots: 3, disk: 4 },
        { type: 'drain', t: 20, host: 'late' },
        { type: 'down', t: 30, host: 'h1' },
      ],
    } as const;
    await writeTrace(file(), made);
    expect(await readTrace(file())).toEqual({ ...made, name: file(), measureFrom: 0 });
  });

  test('may leave out optional fields, contain empty lines and be in any order', async () => {
    const { builds, hosts, changes } = await read(
      BUILD,
      '',
      { ...BUILD, build: '0', submitted: 1, priority: 'batch' },
      { type: 'down', t: 9, host: 'b' },
      { ...HOST, host: 'b', t: 4 },
      HOST,
    );
    expect(hosts).toEqual([host('a', { slots: 2, disk: 20 })]);
    expect(changes.map(({ type, t }) => [type, t])).toEqual([
      ['up', 4],
      ['down', 9],
    ]);
    expect(builds).toEqual([build('0', 1, { run: RUN, prio: 2 }), build('1', 5, { run: RUN })]);
  });

  test('gets the durations on other caches for a recorded run, in its repo’s proportions', async () => {
    const at = (id: string, seconds: number, warmth: number, repo = 'app') => ({
      ...{ ...BUILD, build: id, repo },
      run: { seconds, warmth },
    });
    const runs = [0, 1, 1, 1, 1].map((warmth, i) => at(`${i}`, warmth === 1 ? 20 : 180, warmth));
    const { builds } = await read(HOST, ...runs, at('odd', 40, 1), at('other', 50, 1, 'other'));
    const [cold, warm] = builds;
    expect(cold?.run).toMatchObject({ cold: 180, warm: expect.closeTo(20, -1) });
    expect(warm?.run).toMatchObject({ warm: 20, cold: expect.closeTo(150, -1) });
    for (const { run } of builds) expect(run.stale > run.warm && run.stale < run.cold).toBe(true);
    // A build that took twice as long as the others would have taken twice as long cold as well.
    expect(builds.find((one) => one.build === 'odd')?.run.cold).toBeCloseTo(2 * (warm?.run.cold ?? 0));
    // For a repo that never ran cold, the other repos' proportions are used.
    expect(builds.find((one) => one.build === 'other')?.run.cold).toBeGreaterThan(150);
  });
});

describe('a faulty trace file is refused with the line and the field', () => {
  test.each<[string, readonly (object | string)[], RegExp]>([
    ['no JSON', [HOST, '{"type": "host"'], /:2: line: got ".*", expected a JSON object$/],
    ['no object', [HOST, '7'], /:2: line: got 7/],
    [
      'an unknown type',
      [HOST, { type: 'hots' }],
      /:2: type: got "hots", expected 'host' \| 'drain' \| 'down' \| 'build'$/,
    ],
    ['no slots', [{ ...HOST, slots: 0 }], /:1: slots: got 0, expected .*1/],
    ['a word for a number', [HOST, { ...BUILD, submitted: 'noon' }], /:2: submitted: got "noon", expected .*number/],
    ['a time before the start', [HOST, { ...BUILD, submitted: -1 }], /:2: submitted: got -1/],
    ['an unknown class', [HOST, { ...BUILD, priority: 'high' }], /:2: priority: got "high", expected .*interactive/],
    ['a field that is not one', [HOST, { ...BUILD, prio: 1 }], /:2: line: got .*prio/],
    ['no repo', [HOST, { ...BUILD, repo: undefined }], /:2: repo: got nothing, expected string$/],
    ['a run of nothing', [HOST, { ...BUILD, run: {} }], /:2: run/],
    ['a warmth of 2', [HOST, { ...BUILD, run: { seconds: 1, warmth: 2 } }], /:2: run/],
    ['no host', [BUILD], /got no host at t 0, expected at least one/],
    ['no build', [HOST], /got no build, expected at least one/],
    [
      'a build too wide',
      [HOST, { ...BUILD, weight: 3 }],
      /build 1: weight: got 3, expected at most 2, the widest host/,
    ],
  ])('%s', async (_, lines, message) => {
    const refused = read(...lines);
    await expect(refused).rejects.toThrow(TraceFileError);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toThrow(file());
  });

  test('if it doesn’t exist', async () => {
    await expect(readTrace(join(directory, 'nowhere'))).rejects.toThrow(/nowhere: can't be read \(ENOENT\)/);
  });

  test('leaves out defaults when it is written', async () => {
    await writeTrace(file(), trace([build('1', 0)]));
    expect((await readFile(file(), 'utf8')).trim().split('\n')).toHaveLength(2);
  });
});
