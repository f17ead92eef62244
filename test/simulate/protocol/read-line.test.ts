import { describe, expect, test } from 'vitest';
import { ProtocolError, readLine } from './read-line.ts';

const read = (line: object) => readLine(JSON.stringify(line));

describe('a line', () => {
  test('may leave out optional fields', () => {
    expect(read({ type: 'init', hosts: [] })).toEqual({
      ...{ type: 'init', t: 0, hosts: [], classes: [], seed: 1, dep_known: true },
    });
    expect(read({ type: 'build_queued', t: 1, build: '1', repo: 'x', submitted: 1 })).toEqual({
      ...{ type: 'build_queued', t: 1, build: '1', repo: 'x', prio: 0, dep: undefined, submitted: 1, attempt: 1 },
    });
    expect(read({ type: 'build_finished', t: 1, build: '1', host: 'a', run_s: 1, size: 1, dep: null })).toEqual({
      ...{ type: 'build_finished', t: 1, build: '1', host: 'a', run_s: 1, size: 1, evicted: [], dep: undefined },
    });
  });

  test('may have unknown fields', () => {
    expect(read({ type: 'wake', t: 1, why: 'because' })).toEqual({ type: 'wake', t: 1 });
  });

  test.each([
    [{ type: 'decide' }, /^t: got nothing, expected number$/],
    [{ type: 'host_up', t: 1, host: 'a', slots: 1.5, disk: 1 }, /^slots: got 1\.5, expected .*int/],
    [{ type: 'host_up', t: 1, host: '', slots: 1, disk: 1 }, /^host: got "", expected/],
    [{ type: 'build_queued', t: 1, build: '1', repo: 'x', submitted: 1, dep: {} }, /^dep: got \{\}, expected/],
    [{ type: 'build_finished', t: 1, build: '1', host: 'a', run_s: -1, size: 1 }, /^run_s: got -1, expected/],
    [{ type: 'init', t: 0, hosts: 'all' }, /^hosts: got "all", expected array$/],
    [
      { type: 'build_started', t: 1, build: '1', host: 'a', cache: 'x'.repeat(200) },
      /^cache: got "x{79}…, expected one of/,
    ],
    [[], /^line: got \[\], expected object$/],
  ])('%j is refused with field, value and expectation', (line, message) => {
    expect(() => read(line)).toThrow(ProtocolError);
    expect(() => read(line)).toThrow(message);
  });
});
