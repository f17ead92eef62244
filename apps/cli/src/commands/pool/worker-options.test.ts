import { describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { UsageError } from '../../io/errors.ts';
import { fakeIo } from '../../testing/fake-io.ts';
import { parseWorkerOptions } from './worker-options.ts';

const parse = (args: string[], env: Record<string, string> = {}) => {
  const options = parseWorkerOptions(args, { HOME: '/home/me', ...env });
  if (options === 'help') throw new Error('help');
  return options;
};
const JOIN = ['--join', 'https://kiln.example', '--token', 't'];

describe('kiln worker', () => {
  it('has a default for everything but where to join', () => {
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

  it('takes flags before the environment, and a token’s flag instead of both of its variables', () => {
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
    [[], 'which pool? Give --join URL and --token-file FILE, or set KILN_JOIN_URL and KILN_JOIN_TOKEN'],
    [['--join', 'kiln'], '--join (KILN_JOIN_URL): holds "kiln", expected an http:// or https:// URL'],
    [
      ['--join', 'http://k'],
      '--token (KILN_JOIN_TOKEN): holds nothing, expected a value, or --token-file (KILN_JOIN_TOKEN_FILE)',
    ],
    [[...JOIN, '--token-file', '/f'], '--token (KILN_JOIN_TOKEN): set as well as --token-file (KILN_JOIN_TOKEN_FILE)'],
    [
      ['--join', 'http://k', '--token-file', '/nowhere/t'],
      '--token-file (KILN_JOIN_TOKEN_FILE): holds "/nowhere/t", expected a readable file',
    ],
    [[...JOIN, '--slots', 'x'], '--slots (KILN_SLOTS): holds "x", expected a whole number'],
    [[...JOIN, '--name', 'Not A Name'], '--name (KILN_HOST_NAME): holds "Not A Name", expected lower-case letters'],
    [[...JOIN, '--driver', 'podman'], '--driver (KILN_DRIVER): holds "podman"'],
    [[...JOIN, '--sluts', '1'], 'unknown flag --sluts; did you mean --slots?'],
    [[...JOIN, 'extra'], 'usage: kiln worker'],
  ])('%j is refused', (args, words) => {
    expect(() => parse(args)).toThrow(UsageError);
    expect(() => parse(args)).toThrow(words);
  });

  it('helps', async () => {
    const at = fakeIo({});
    expect(await runCli(['worker', '--help'], at)).toBe(0);
    expect(at.stdout.text).toContain('--join URL');
    expect(at.stdout.text).toContain('--exit');
    expect(await runCli(['worker'], at)).toBe(125);
    expect(at.stderr.text).toMatch(/^kiln: which pool\?.*\nSee `kiln worker --help`\.\n$/);
  });
});
