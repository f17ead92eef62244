import { describe, expect, test } from 'vitest';
import { InvalidFlag, parseUpOptions, toHostName } from './up-options.ts';

describe('parseUpOptions', () => {
  test('has a default for everything', () => {
    const options = parseUpOptions([], { KILN_DATA_DIR: '/data' });
    expect(options).toMatchObject({
      dataDir: '/data',
      host: '127.0.0.1',
      port: 7700,
      driver: 'auto',
      logFile: '/data/kiln.log',
    });
  });

  test('flags go before the environment', () => {
    const argv = ['--data-dir', '/other', '--port', '0', '--slots', '4', '--drain-timeout', '5', '--log', '-'];
    expect(parseUpOptions(argv, { KILN_DATA_DIR: '/data', KILN_DRIVER: 'docker' })).toMatchObject({
      driver: 'docker',
      dataDir: '/other',
      port: 0,
      slots: 4,
      drainTimeoutMs: 5_000,
      logFile: '-',
    });
  });

  test.each([
    [['--port', '70000'], '--port: got "70000", expected at most 65535'],
    [['--slots', 'x'], '--slots: got "x", expected a whole number from 1 to 1024'],
    [['--driver', 'podman'], '--driver: got "podman", expected auto, docker-container, docker'],
    [['--name', 'Not A Name'], '--name: got "Not A Name", expected lower-case letters, digits and -'],
    [['--sluts', '1'], '--sluts'],
    [['extra'], 'extra'],
  ])('%j is refused by name', (argv, words) => {
    expect(() => parseUpOptions(argv, {})).toThrow(InvalidFlag);
    expect(() => parseUpOptions(argv, {})).toThrow(words);
  });

  test('help is asked for', () => {
    expect(parseUpOptions(['-h'], {})).toBe('help');
  });
});

test.each([
  ['Build-01.example.org', 'build-01-example-org'],
  ['-x-', 'x'],
  ['ñ', 'host'],
  ['a'.repeat(80), 'a'.repeat(63)],
])('%s becomes %s', (name, host) => {
  expect(toHostName(name)).toBe(host);
});
