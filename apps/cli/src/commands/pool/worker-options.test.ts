import { describe, expect, it } from 'vitest';
import { parseFlags } from '../../framework/flags.ts';
import { UsageError } from '../../io/errors.ts';
import { run } from '../../testing/run.ts';
import { WORKER_FLAGS } from './flags.ts';
import { readWorkerOptions } from './worker-options.ts';

const parse = (args: string[], env: Record<string, string> = {}) =>
  readWorkerOptions(parseFlags(args, WORKER_FLAGS).flags, { HOME: '/home/me', ...env });
const JOIN = ['--join', 'https://kiln.example', '--token', 't'];

describe('kiln worker', () => {
  it('has a default for everything except the pool to join', () => {
    const { settings, logFile } = parse([...JOIN, '--name', 'h1']);
    expect(settings).toMatchObject({
      access: { type: 'join', url: 'https://kiln.example', token: 't' },
      KILN_HOST_NAME: 'h1',
      KILN_DATA_DIR: '/home/me/.local/share/kiln/worker/h1',
      KILN_EXIT_WHEN_DRAINED: false,
      KILN_LABELS: {},
    });
    expect(settings.KILN_SLOTS).toBeGreaterThanOrEqual(1);
    expect(logFile).toBe('/home/me/.local/share/kiln/worker/h1/worker.log');
  });

  it('lets flags take precedence over the environment, and a token flag over both token variables', () => {
    const env = {
      ...{ KILN_JOIN_URL: 'http://other', KILN_JOIN_TOKEN_FILE: '/nowhere', KILN_SLOTS: '9', KILN_LABELS: 'a=1' },
      ...{ KILN_DATA_DIR: '/data', KILN_DRIVER: 'docker' },
    };
    const flags = ['--slots', '4', '-l', 'disk=nvme', '--label', 'gpu', '--exit', '--log', '-', '--drain-timeout', '5'];
    const { settings, logFile } = parse([...JOIN, '--name', 'h1', ...flags], env);
    expect(settings).toMatchObject({
      access: { url: 'https://kiln.example', token: 't' },
      KILN_SLOTS: 4,
      KILN_LABELS: { disk: 'nvme', gpu: '' },
      KILN_EXIT_WHEN_DRAINED: true,
      KILN_DATA_DIR: '/data/worker/h1',
      KILN_DRIVER: 'docker',
      KILN_DRAIN_SECONDS: 5,
    });
    expect(logFile).toBe('-');
    expect(parse([...JOIN, '--data-dir', '/own'], env).settings.KILN_DATA_DIR).toBe('/own');
    expect(
      parse([], { KILN_JOIN_URL: 'http://other', KILN_JOIN_TOKEN: 'u', KILN_LABELS: 'a=1' }).settings,
    ).toMatchObject({
      access: { url: 'http://other', token: 'u' },
      KILN_LABELS: { a: '1' },
    });
  });

  it.each([
    [[], 'no pool given: use --join URL and --token-file FILE, or set KILN_JOIN_URL and KILN_JOIN_TOKEN'],
    [['--join', 'kiln'], '--join (KILN_JOIN_URL): got "kiln", expected an http:// or https:// URL'],
    [
      ['--join', 'http://k'],
      '--token (KILN_JOIN_TOKEN): got nothing, expected a value, or --token-file (KILN_JOIN_TOKEN_FILE)',
    ],
    [[...JOIN, '--token-file', '/f'], '--token (KILN_JOIN_TOKEN): set as well as --token-file (KILN_JOIN_TOKEN_FILE)'],
    [
      ['--join', 'http://k', '--token-file', '/nowhere/t'],
      '--token-file (KILN_JOIN_TOKEN_FILE): got "/nowhere/t", expected a readable file',
    ],
    [[...JOIN, '--slots', 'x'], '--slots (KILN_SLOTS): got "x", expected a whole number'],
    [[...JOIN, '--name', 'Not A Name'], '--name (KILN_HOST_NAME): got "Not A Name", expected lower-case letters'],
    [[...JOIN, '--driver', 'podman'], '--driver (KILN_DRIVER): got "podman"'],
    [[...JOIN, '--sluts', '1'], 'unknown flag: --sluts; did you mean --slots?'],
  ])('refuses %j', (args, words) => {
    expect(() => parse(args)).toThrow(UsageError);
    expect(() => parse(args)).toThrow(words);
  });

  it('prints help, and refers to it when the command line is wrong', async () => {
    expect(await run('worker --help')).toMatchObject({ code: 0, out: expect.stringContaining('--join URL') });
    const { code, err } = await run('worker');
    expect(code).toBe(125);
    expect(err).toMatch(/^kiln: no pool given.*\nSee `kiln worker --help`\.\n$/);
    expect((await run('worker extra')).err).toContain(
      'got 1 argument, expected none; usage: kiln worker [FLAGS] --join',
    );
  });
});
