import { describe, expect, test } from 'vitest';
import { parseFlags } from '../../framework/flags.ts';
import { FlagError } from '../../io/errors.ts';
import { UP_FLAGS } from './flags.ts';
import { toHostName } from './host-defaults.ts';
import { readUpOptions } from './up-options.ts';

const parse = (argv: readonly string[], env: Record<string, string> = {}) =>
  readUpOptions(parseFlags(argv, UP_FLAGS).flags, env);

describe('readUpOptions', () => {
  test('has a default for everything', () => {
    const options = parse([], { KILN_DATA_DIR: '/data' });
    expect(options).toMatchObject({
      dataDir: '/data',
      host: '127.0.0.1',
      port: 7700,
      driver: 'auto',
      logFile: '/data/kiln.log',
    });
  });

  test('lets flags take precedence over the environment', () => {
    const argv = ['--data-dir', '/other', '--port', '0', '--slots', '4', '--drain-timeout', '5', '--log', '-'];
    expect(parse(argv, { KILN_DATA_DIR: '/data', KILN_DRIVER: 'docker' })).toMatchObject({
      driver: 'docker',
      dataDir: '/other',
      port: 0,
      slots: 4,
      drainTimeoutMs: 5_000,
      logFile: '-',
    });
  });

  test('sets trust and isolation only if they are given', () => {
    expect(parse(['--trust', 'untrusted'], {})).toMatchObject({ trust: 'untrusted' });
    expect(parse([], {})).not.toHaveProperty('trust');
    expect(parse(['--isolation', 'pool'], {})).toMatchObject({ isolation: 'pool' });
    expect(parse([], {})).not.toHaveProperty('isolation');
  });

  test.each([
    [['--port', '70000'], '--port: got "70000", expected at most 65535'],
    [['--slots', 'x'], '--slots: got "x", expected a whole number from 1 to 1024'],
    [['--driver', 'podman'], '--driver: got "podman", expected auto, docker-container, docker'],
    [['--trust', 'both'], '--trust: got "both", expected trusted, untrusted'],
    [['--isolation', 'none'], '--isolation: got "none", expected team, repo, pool'],
    [['--name', 'Not A Name'], '--name: got "Not A Name", expected lower-case letters, digits and -'],
    [['--listen-workers', 'here'], '--listen-workers: got "here", expected an IP address of this machine and a port'],
    [['--listen-workers', '10.0.0.5:99999'], 'expected an IP address of this machine and a port'],
    [['--label', 'Disk=x'], '--label: got ["Disk=x"], expected KEY=VALUE: a label of lower-case letters'],
    [['--sluts', '1'], '--sluts'],
  ])('refuses %j by name', (argv, words) => {
    expect(() => parse(argv, {})).toThrow(FlagError);
    expect(() => parse(argv, {})).toThrow(words);
  });

  test.each([
    ['10.0.0.5:7000', { address: '10.0.0.5', port: 7000 }],
    ['0.0.0.0', { address: '0.0.0.0', port: 7701 }],
    ['[fd00::1]:7000', { address: 'fd00::1', port: 7000 }],
    ['::', { address: '::', port: 7701 }],
  ])('listens for workers at %s', (text, listenWorkers) => {
    expect(parse(['--listen-workers', text], {})).toMatchObject({ listenWorkers });
  });

  test('collects labels', () => {
    expect(parse(['--label', 'disk=nvme', '--label', 'gpu'], {})).toMatchObject({
      labels: { disk: 'nvme', gpu: '' },
    });
  });
});

test.each([
  ['Build-01.example.org', 'build-01-example-org'],
  ['-x-', 'x'],
  ['ñ', 'host'],
  ['a'.repeat(80), 'a'.repeat(63)],
])('toHostName turns %s into %s', (name, host) => {
  expect(toHostName(name)).toBe(host);
});
