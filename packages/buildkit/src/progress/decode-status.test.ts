import { type LogRecord, logRecord } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { type SolveStatus, solveStatus, timeOf } from '../control/solve-status.ts';
import { secretNeedles } from '../masking/mask-secrets.ts';
import { StatusDecoder } from './decode-status.ts';

const T0 = Date.parse('2026-01-01T00:00:00Z');
const time = (ms: number) => new Date(T0 + ms).toISOString().replace('Z', '123456Z');
const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64');

function decode(statuses: readonly SolveStatus[], { secrets = [] as string[], tags = [] as string[] } = {}) {
  const decoder = new StatusDecoder(secretNeedles(secrets), tags);
  const records = [...statuses.flatMap((status) => decoder.decode(status, T0)), ...decoder.end()];
  for (const record of records) logRecord.parse(record);
  return { decoder, records };
}

const brief = (records: readonly LogRecord[]) =>
  records.map((record) => {
    switch (record.type) {
      case 'step':
        return `${record.step} ${record.state}${record.ms === undefined ? '' : ` ${record.ms}`}`;
      case 'output':
        return `${record.step} ${record.stream} ${record.data}`;
      case 'status':
        return `${record.step} ${record.name} ${record.current}/${record.total}${record.done ? ' done' : ''}`;
      default:
        return record.type;
    }
  });

test('numbers steps in the order of their first appearance, and reports the states of each', () => {
  const { records } = decode([
    {
      vertexes: [
        { digest: 'b', name: '[2/2] RUN x' },
        { digest: 'a', name: '[1/2] FROM y' },
      ],
    },
    { vertexes: [{ digest: 'a', name: '[1/2] FROM y', started: time(0) }] },
    { vertexes: [{ digest: 'a', name: '[1/2] FROM y', started: time(0), completed: time(40), cached: true }] },
    { vertexes: [{ digest: 'b', name: '[2/2] RUN x', started: time(50) }] },
    { vertexes: [{ digest: 'b', name: '[2/2] RUN x', started: time(50), completed: time(1250) }] },
  ]);
  expect(brief(records)).toEqual(['1 pending', '2 pending', '2 started', '2 cached', '1 started', '1 completed 1200']);
  expect(records.at(-1)?.t).toBe(T0 + 1250);
});

test('reports a step that starts and completes again, but not a repeated message', () => {
  const first = { digest: 'a', name: 'load', started: time(0), completed: time(10) };
  const again = { digest: 'a', name: 'load', started: time(20), completed: time(50) };
  const { records } = decode([{ vertexes: [first] }, { vertexes: [first] }, { vertexes: [again, again] }]);
  expect(brief(records)).toEqual(['1 started', '1 completed 10', '1 started', '1 completed 30']);
});

test('distinguishes a failed step from one that was stopped because another failed', () => {
  const { decoder, records } = decode([
    {
      vertexes: [
        { digest: 'a', name: '[1/2] RUN a', started: time(0), completed: time(5), error: 'process "a": exit code: 1' },
        {
          digest: 'b',
          name: '[2/2] RUN b',
          started: time(0),
          completed: time(6),
          error: 'context canceled: context canceled',
        },
      ],
    },
  ]);
  expect(brief(records)).toEqual(['1 started', '2 started', '1 failed 5', '2 canceled 6']);
  expect(decoder.failed).toEqual([{ name: '[1/2] RUN a', error: 'process "a": exit code: 1', lastOutput: '' }]);
});

test('puts a step’s last output before its end, although both come in one status', () => {
  const { decoder, records } = decode([
    {
      vertexes: [{ digest: 'a', name: '[1/1] RUN a', started: time(0), completed: time(5), error: 'no' }],
      logs: [{ vertex: 'a', stream: 2, data: base64('bye\n'), timestamp: time(3) }],
    },
  ]);
  expect(brief(records)).toEqual(['1 started', '1 stderr bye\n', '1 failed 5']);
  expect(decoder.failed[0]?.lastOutput).toBe('bye\n');
});

test('joins consecutive output of the same step and stream, and never splits a character', () => {
  const smile = Buffer.from('🙂');
  const log = (vertex: string, stream: number, data: string | Buffer) => ({ vertex, stream, data: base64(data) });
  const { records } = decode([
    {
      vertexes: [
        { digest: 'a', name: 'a' },
        { digest: 'b', name: 'b' },
      ],
    },
    { logs: [log('a', 1, 'x\n'), log('a', 1, smile.subarray(0, 3)), log('a', 2, 'err'), log('b', 1, 'y')] },
    { logs: [log('a', 1, smile.subarray(3)), log('b', 1, smile.subarray(0, 2))] },
  ]);
  expect(brief(records).slice(2)).toEqual([
    '1 stdout x\n',
    '1 stderr err',
    '2 stdout y',
    '1 stdout 🙂',
    '2 stdout \ufffd',
  ]);
});

test('splits output that is too long for one record, but not within a surrogate pair', () => {
  const { records } = decode([{ logs: [{ vertex: 'a', data: base64(`x${'🙂'.repeat(50_000)}`) }] }]);
  const pieces = records.flatMap((record) => (record.type === 'output' ? [record.data] : []));
  expect(pieces.join('')).toBe(`x${'🙂'.repeat(50_000)}`);
  expect(pieces.length).toBeGreaterThan(1);
  for (const piece of pieces) expect(piece.isWellFormed()).toBe(true);
});

test('masks secrets in output, also across two chunks, and in names and errors', () => {
  const { decoder, records } = decode(
    [
      { vertexes: [{ digest: 'a', name: '[1/1] RUN login hunter22', started: time(0) }] },
      { logs: [{ vertex: 'a', stream: 1, data: base64('token hunt') }] },
      { logs: [{ vertex: 'a', stream: 2, data: base64('er22 is another stream') }] },
      { logs: [{ vertex: 'a', stream: 1, data: base64('er22 and hunt') }] },
      { vertexes: [{ digest: 'a', name: 'x', started: time(0), completed: time(9), error: 'bad hunter22' }] },
    ],
    { secrets: ['hunter22'] },
  );
  expect(JSON.stringify(records)).not.toContain('hunter22');
  const said = (stream: string) =>
    records.flatMap((record) => (record.type === 'output' && record.stream === stream ? [record.data] : [])).join('');
  expect(said('stdout')).toBe('token *** and hunt');
  expect(said('stderr')).toBe('er22 is another stream');
  expect(decoder.failed).toEqual([expect.objectContaining({ name: '[1/1] RUN login ***', error: 'bad ***' })]);
});

test('reduces the records of a transfer, but always delivers the last one', () => {
  const transfer = (id: string, ms: number, current: number, completed?: number) => ({
    id,
    vertex: 'a',
    current,
    total: 100,
    timestamp: time(ms),
    ...(completed !== undefined && { completed: time(completed) }),
  });
  const { records } = decode([
    { vertexes: [{ digest: 'a', name: 'pull' }] },
    { statuses: [transfer('x', 0, 1), transfer('y', 0, 1), transfer('x', 100, 20), transfer('x', 199, 30)] },
    { statuses: [transfer('x', 200, 40), transfer('x', 250, 50), transfer('y', 10, 2)] },
    { statuses: [transfer('x', 260, 100, 260)] },
    { vertexes: [{ digest: 'a', name: 'pull', started: time(0), completed: time(300) }] },
  ]);
  expect(brief(records).slice(1)).toEqual([
    '1 x 1/100',
    '1 y 1/100',
    '1 x 40/100',
    '1 x 100/100 done',
    '1 started',
    '1 y 2/100',
    '1 completed 300',
  ]);
});

test('passes on warnings with their step and link', () => {
  const { records } = decode([
    { vertexes: [{ digest: 'a', name: 'a' }] },
    {
      warnings: [
        { vertex: 'a', short: base64('old syntax'), detail: [base64('line 1'), base64('line 2')], url: 'https://w' },
        { short: base64('loose') },
      ],
    },
  ]);
  expect(records.slice(1)).toEqual([
    { t: T0, type: 'warning', step: 1, message: 'old syntax', detail: 'line 1\nline 2\nMore info: https://w' },
    { t: T0, type: 'warning', message: 'loose' },
  ]);
});

test('counts the Dockerfile’s instructions except FROM, and none of BuildKit’s own steps', () => {
  const done = (digest: string, name: string, cached: boolean) => ({
    digest,
    name,
    started: time(0),
    completed: time(1),
    cached,
  });
  const { decoder } = decode([
    {
      vertexes: [
        done('1', '[internal] load build definition from Dockerfile', false),
        done('2', '[1/3] FROM docker.io/library/node:24', true),
        done('3', '[build 2/3] RUN npm ci', true),
        done('4', '[linux/amd64 build  3/10] COPY . .', false),
        done('5', 'exporting to image', false),
        done('6', '[auth] library/node:pull token', false),
      ],
    },
  ]);
  expect(decoder.counts).toEqual({ total: 2, cached: 1 });
});

test('reports whether a step is still running', () => {
  const running = { digest: 'a', name: 'a', started: time(0) };
  expect(decode([{ vertexes: [running] }]).decoder.idle).toBe(false);
  expect(decode([{ vertexes: [running, { ...running, completed: time(1) }] }]).decoder.idle).toBe(true);
});

test('collects the tags that BuildKit or the engine has pushed', () => {
  const manifest = (ref: string, completed?: number) => ({
    id: `pushing manifest for ${ref}@sha256:${'0'.repeat(64)}`,
    vertex: 'e',
    ...(completed !== undefined && { completed: time(completed) }),
  });
  const exporting = { digest: 'e', name: 'exporting to image', started: time(0) };
  const engine = (digest: string, ref: string) => ({
    digest,
    name: `pushing ${ref} with docker`,
    started: time(3),
    completed: time(4),
  });
  const tags = ['r.example:5000/a:1', 'acme/b', 'c:2', 'r.example/d:1'];
  const pushed = (...statuses: SolveStatus[]) => decode(statuses, { tags }).decoder.pushed;
  const first = { vertexes: [exporting], statuses: [manifest('r.example:5000/a:1', 2)] };
  const second = { statuses: [manifest('docker.io/acme/b:latest', 5)] };
  const end = { vertexes: [{ ...exporting, completed: time(6) }] };
  expect(pushed(first, second, end)).toEqual(['r.example:5000/a:1', 'acme/b']);
  // The status of a canceled or refused push ends as well.
  expect(
    pushed(first, second, { vertexes: [{ ...exporting, completed: time(6), error: 'context canceled' }] }),
  ).toEqual(['r.example:5000/a:1']);
  expect(pushed(first)).toEqual([]);
  const refused = { ...engine('q', 'r.example/d:1'), error: 'denied' };
  expect(pushed({ vertexes: [engine('p', 'docker.io/library/c:2'), refused] })).toEqual(['c:2']);
});

test('accepts statuses with missing or unexpected fields', () => {
  const odd = solveStatus({
    vertexes: [null, { name: 'no digest' }, 5],
    logs: 'x',
    statuses: [{ id: 'y' }],
    warnings: [{}],
  });
  expect(odd).toEqual({ vertexes: [], statuses: [], logs: [], warnings: [{}] });
  expect(brief(decode([odd]).records)).toEqual(['warning']);
  expect(timeOf('0001-01-01T00:00:00Z')).toBeUndefined();
  expect(timeOf('nonsense')).toBeUndefined();
});
