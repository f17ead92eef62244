import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { ContextSource, ReportedStep } from '@kiln/buildkit';
import { attemptTrace, buildSpec, TRACE_LIMITS } from '@kiln/contracts';
import { type AttemptTrace, type BuildRecord, explainMisses, type Outcome } from '@kiln/domain';
import { createLogger } from '@kiln/runtime';
import { byteString, type ListedEntry } from '@kiln/trees';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AttemptRecorders } from './attempt-recorder.ts';
import { commitEntries } from './commit-entries.ts';

const unpack = promisify(gunzip);
const REF = { buildId: 'b', attempt: 2, host: 'h1', incarnation: 'i' };
const RECORD = { id: 'b', repo: 'app', team: 'default' } as BuildRecord;
const DONE: Outcome = { end: 'succeeded' };
const READING = {
  sizesAreFloors: false,
  mounts: [{ id: 'n//c', bytes: 5, lastUsedAt: 1, inUse: false }],
  layers: { lost: 1, of: 2, since: 3 },
};
const sealer = { keyId: 'k', digest: (text: string) => Buffer.from(text).toString('hex').slice(-64) };

const stored: Buffer[] = [];
let logged: string[] = [];
const log = createLogger({
  ...{ app: 'test', level: 'debug' },
  destination: { write: (line: string) => void logged.push(line) },
});
beforeEach(() => {
  stored.length = 0;
  logged = [];
});
afterEach(() => void vi.useRealTimers());

async function storeTrace(_: object, packed: Buffer): Promise<void> {
  stored.push(packed);
}
const recorders = (store = storeTrace) => new AttemptRecorders({ storeTrace: store, sealer, log, now: () => 7 });
const spec = (fields: object = {}) =>
  buildSpec.parse({ source: { type: 'upload', name: 'a' }, secrets: [], ...fields });
const read = async () => attemptTrace.parse(JSON.parse((await unpack(stored[0] ?? Buffer.alloc(0))).toString()));
const digestOf = (name: string) => `sha256:${Buffer.from(name).toString('hex')}`;
const step = (name: string, fields: Partial<ReportedStep> = {}): ReportedStep => ({
  ...{ digest: digestOf(name), name, inputs: [], cached: false },
  ...fields,
});

describe('the record of an attempt', () => {
  test('has neither the value of a secret nor of an argument', async () => {
    const all = recorders();
    const values = { VERSION: 'value-of-it', N: '1' };
    const recorder = all.begin(REF, RECORD, spec({ buildArgs: values, noCache: true }));
    recorder?.secrets(new Map([['tok', 'the-secret']]));
    recorder?.dockerfile('FROM a\nARG VERSION\nRUN make $VERSION');
    recorder?.steps(
      [
        step('[1/2] FROM a'),
        step('[2/2] RUN make value-of-it 1 11', {
          inputs: [digestOf('[1/2] FROM a'), 'gone'],
          error: 'value-of-it failed',
        }),
      ],
      3,
    );
    recorder?.end(DONE);
    await all.close(1_000);
    const trace = await read();
    expect(trace).toMatchObject({ build: 'b', attempt: 2, host: 'h1', repo: 'app', noCache: true, stepsLeftOut: 3 });
    expect(trace.steps[1]).toMatchObject({
      name: `[2/2] RUN make \${VERSION} \${N} 11`,
      error: `\${VERSION} failed`,
      inputs: [0],
    });
    expect(Object.keys(trace.args)).toEqual(['VERSION', 'N']);
    expect(Object.keys(trace.secrets)).toEqual(['tok']);
    const json = JSON.stringify(trace);
    expect(json).not.toMatch(/value-of-it|the-secret/);
  });

  describe('of linked targets', () => {
    const tree = (id: string) => ({ type: 'tree', id, open: () => Promise.reject() }) as unknown as ContextSource;
    const record = async (command: string, value: string, ofBase: string) => {
      stored.length = 0;
      const all = recorders();
      const base = {
        source: { type: 'upload', name: 'a', digest: `sha256:${'0'.repeat(64)}` },
        buildArgs: { V: value, OWN: 'own-value' },
      };
      const bake = { name: 'app', targets: { base } };
      const recorder = all.begin(REF, RECORD, spec({ bake, buildArgs: { V: 'app-value' } }));
      recorder?.source(tree('t1'), new Map([['base', { source: tree(ofBase), contexts: [] }]]));
      recorder?.dockerfile('FROM base\nCOPY x /');
      const first = step(`[base 1/2] RUN ${command} ${value} own-value`, { startedAt: 1, completedAt: 2 });
      recorder?.steps([first, step('[app 2/2] COPY x /', { inputs: [first.digest], startedAt: 3, completedAt: 4 })], 0);
      recorder?.end(DONE);
      await all.close(1_000);
      return await read();
    };

    test('has the values of no target’s arguments, no Dockerfile, and the context only if it is that of all', async () => {
      const trace = await record('make', 'base-value', 't1');
      expect(JSON.stringify(trace)).not.toMatch(/(?:base|own|app)-value/);
      expect(trace.steps[0]?.name).toBe(`[base 1/2] RUN make \${base.V} \${OWN}`);
      expect(Object.keys(trace.args)).toEqual(['V', 'base.V', 'OWN']);
      expect(trace).toMatchObject({ context: { type: 'tree', id: 't1' } });
      expect(trace).not.toHaveProperty('stages');
      expect(await record('make', 'base-value', 't2')).not.toHaveProperty('context');
    });

    test('explains which target’s step changed', async () => {
      const before = await record('make', 'base-value', 't2');
      const explain = async (trace: AttemptTrace) =>
        explainMisses({ trace, with: { trace: before, files: { state: 'unknown', why: 'other_source' } } });
      const [first, second] = await explain(await record('make all', 'base-value', 't2'));
      expect(first).toMatchObject({
        cause: {
          type: 'instruction_changed',
          from: `RUN make \${base.V} \${OWN}`,
          to: `RUN make all \${base.V} \${OWN}`,
        },
      });
      expect(second).toMatchObject({ name: '[app 2/2] COPY x /', cause: { type: 'parent_missed', parent: 0 } });
      const [changed] = await explain(await record('make', 'other-value', 't2'));
      expect(changed).toMatchObject({ cause: { type: 'build_argument_changed', names: ['base.V'] } });
    });
  });

  test('waits for the reading of the caches, and is stored without it if there is none in time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const all = recorders();
    const first = all.begin(REF, RECORD, spec());
    first?.before([{ id: 'n//c', bytes: 3, lastUsedAt: 1, inUse: false }], 'd');
    first?.end(DONE);
    const second = all.begin(REF, RECORD, spec());
    second?.before(undefined, 'd');
    second?.end(DONE);
    await Promise.resolve();
    expect(stored).toHaveLength(0);
    first?.after(READING);
    await vi.waitFor(() => expect(stored).toHaveLength(1), { timeout: 60_000 });
    expect(await read()).toMatchObject({
      ...{ domain: 'd', layers: READING.layers },
      mounts: [{ id: 'n//c', beforeBytes: 3, afterBytes: 5 }],
    });
    await vi.advanceTimersByTimeAsync(12_000);
    await vi.waitFor(() => expect(stored).toHaveLength(2), { timeout: 60_000 });
    second?.after(READING);
    await all.close(0);
    expect(stored).toHaveLength(2);
  });

  test('is stored when the worker leaves, which waits no longer than it is told', async () => {
    const all = recorders();
    const recorder = all.begin(REF, RECORD, spec());
    recorder?.before([], 'd');
    recorder?.end(DONE);
    await all.close(1_000);
    expect(stored).toHaveLength(1);
    const hanging = recorders(() => new Promise<void>(() => {}));
    hanging.begin(REF, RECORD, spec())?.end(DONE);
    await hanging.close(5);
  });

  test('is only logged as failed if it can’t be stored, and is skipped where nothing stores it', async () => {
    const failing = recorders(async () => Promise.reject(new Error('store away')));
    failing.begin(REF, RECORD, spec())?.end(DONE);
    await failing.close(1_000);
    expect(logged.join()).toContain('recording the attempt failed');
    const none = new AttemptRecorders({ sealer, log, now: () => 7 });
    expect(none.begin(REF, RECORD, spec())).toBeUndefined();
  });

  test('stays within its limits, however large the build', async () => {
    const all = recorders();
    const recorder = all.begin(REF, RECORD, spec());
    const noise = (i: number) => `${i}${Math.sin(i)}`.repeat(200);
    recorder?.dockerfile(Array.from({ length: 5_000 }, (_, i) => `RUN ${noise(i)}`).join('\n'));
    recorder?.steps(
      Array.from({ length: 9_000 }, (_, i) => step(`[${i}/9000] RUN ${noise(i)}`, { inputs: [`[${i - 1}`] })),
      0,
    );
    recorder?.end(DONE);
    await all.close(20_000);
    expect(stored[0]?.length).toBeLessThanOrEqual(TRACE_LIMITS.blobBytes);
    const trace = await read();
    expect(trace.steps.length + (trace.stepsLeftOut ?? 0)).toBe(9_000);
  });
});

describe('the tree of a commit', () => {
  const listing = (...paths: string[]): ListedEntry[] =>
    paths.map((path) =>
      path.endsWith('/')
        ? { type: 'directory', path: byteString(path.slice(0, -1)), mode: 0o755, contentId: `id ${path}` }
        : { type: 'file', path: byteString(path), mode: 0o644, sizeBytes: 0, contentId: `id ${path}` },
    );

  test('is listed with digests of type, mode and content', () => {
    const [file] = listing('a');
    if (file?.type !== 'file') throw new Error('no file');
    const digests = [file, { ...file, mode: 0o755 }, { ...file, contentId: 'x' }].map(
      (one) => commitEntries([one])[0]?.[1],
    );
    expect(new Set(digests).size).toBe(3);
    expect(commitEntries([file])).toEqual(commitEntries([{ ...file, sizeBytes: 9 }]));
  });

  test('is cut at a depth if it is too large, where directories stand for what is in them', () => {
    const entries = listing('a', 'd/', 'd/b', 'd/e/', 'd/e/f', 'd/e/g');
    expect(commitEntries(entries).map(([path]) => path)).toEqual(['a', 'd/', 'd/b', 'd/e/', 'd/e/f', 'd/e/g']);
    expect(commitEntries(entries, 5).map(([path]) => path)).toEqual(['a', 'd/', 'd/b', 'd/e/']);
    expect(commitEntries(entries, 2).map(([path]) => path)).toEqual(['a', 'd/']);
  });
});
