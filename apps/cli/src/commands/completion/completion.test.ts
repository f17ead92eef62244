import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { FAILED, RUNNING } from '../../testing/builds.ts';
import { cliOfRun } from '../../testing/cli-of-run.ts';
import { fakeHost } from '../../testing/fake-host.ts';
import { TempDir } from '../../testing/temp-dir.ts';
import { withFakeApi } from '../../testing/with-fake-api.ts';

const cli = withFakeApi();

/** What the words after `kiln` are completed to, without descriptions; `|` separates words. */
async function completed(line: string, env: Record<string, string> = {}): Promise<string[]> {
  const { code, out, err } = await cli.run(['__complete', ...line.split(' ')], { env });
  expect([code, err]).toEqual([0, '']);
  return out
    .split('\n')
    .filter((one) => one !== '')
    .map((one) => one.split('\t')[0] ?? '');
}

function fill(): void {
  cli.api.builds = [RUNNING, FAILED];
  cli.api.hosts = [fakeHost({ name: 'build-01' }), fakeHost({ name: 'build-02' })];
}

describe('completion', () => {
  it.each([
    ['bu', ['build', 'builds']],
    ['host ', ['ls', 'show', 'set', 'cordon', 'uncordon', 'drain', 'rm']],
    ['help cont', ['context']],
    ['help context u', ['use']],
    ['ps --st', ['--state']],
    ['ps --state ca', ['canceled']],
    ['ps --state = ca', ['canceled']],
    ['host ls -o ', ['json', 'yaml', 'wide', 'name']],
    ['completion ', ['bash', 'zsh', 'fish']],
    ['logs ', [RUNNING.id, FAILED.id]],
    ['logs -f ', [RUNNING.id, FAILED.id]],
    ['cancel ', [RUNNING.id]],
    ['host drain b', ['build-01', 'build-02']],
    ['cache ls --host ', ['build-01', 'build-02']],
    ['cache ls ', ['github.com/acme/app', 'app']],
    ['ps --repo g', ['github.com/acme/app']],
    ['build -t ', []],
    ['build --output ', []],
    ['nothing ', []],
    ['host nothing ', []],
  ])('completes kiln %s', async (line, expected) => {
    fill();
    expect(await completed(line)).toEqual(expected);
  });

  it('is silent and doesn’t wait where the server is away, refuses the token, or doesn’t answer', async () => {
    expect(await completed('logs ', { KILN_URL: 'http://127.0.0.1:1' })).toEqual([]);
    expect(await completed('logs ', { KILN_TOKEN: 'wrong' })).toEqual([]);
    expect(await completed('logs ', { KILN_URL: '', KILN_TOKEN: '', HOME: '/nowhere' })).toEqual([]);
    cli.api.isSilent = true;
    expect(await completed('logs ')).toEqual([]);
  });

  it('offers no name that a shell would read as something else', async () => {
    cli.api.hosts = [fakeHost({ name: '$(touch x)' }), fakeHost({ name: 'a b' }), fakeHost({ name: 'build-01' })];
    expect(await completed('host show ')).toEqual(['build-01']);
  });

  it.each(['zsh', 'fish'])('prints a script for %s', async (shell) => {
    const { code, out } = await cli.run(`completion ${shell}`);
    expect([code, out]).toEqual([0, expect.stringContaining(' __complete ')]);
  });

  it('refuses another shell', async () => {
    expect((await cli.run('completion tcsh')).err).toContain('SHELL: got "tcsh", expected bash, zsh, fish');
  });
});

describe('kiln completion bash', () => {
  async function withKiln(): Promise<{ readonly dir: TempDir; readonly env: Record<string, string> }> {
    const dir = await TempDir.with({ kiln: `#!/bin/sh\nexec '${process.execPath}' '${await cliOfRun()}' "$@"\n` });
    await chmod(join(dir.path, 'kiln'), 0o755);
    const env = { PATH: `${dir.path}:${process.env.PATH}`, KILN_URL: cli.api.url, KILN_TOKEN: cli.api.token };
    return { dir, env: { ...env, HOME: dir.path, XDG_CACHE_HOME: dir.path } };
  }

  it('completes words in a real bash', async () => {
    fill();
    const { dir, env } = await withKiln();
    await using _dir = dir;
    const replies = async (words: string) => {
      const script = `source <(kiln completion bash); COMP_WORDS=(kiln ${words}); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); _kiln kiln; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], { env });
      expect(stderr).toBe('');
      return stdout.trim().split('\n');
    };
    expect(await replies(`host show ''`)).toEqual(['build-01', 'build-02']);
    expect(await replies(`logs ''`)).toEqual([RUNNING.id, FAILED.id]);
  });
});
