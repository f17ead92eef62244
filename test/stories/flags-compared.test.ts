import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { cliOfRun } from '../../apps/cli/src/testing/cli-of-run.ts';
import { command } from '../support/command.ts';
import { DEBIAN } from '../support/dockerfiles.ts';
import type { Pool } from '../support/pool/pool.ts';
import { startPool } from '../support/pool/start-pool.ts';

let pool: Pool;
let dir: string;
/** What `docker buildx build` and `kiln build` are, each with the environment of a user. */
let programs: readonly { readonly name: string; readonly line: readonly string[] }[];

beforeAll(async () => {
  pool = await startPool();
  dir = await mkdtemp(join(tmpdir(), 'kiln-flags-'));
  programs = [
    { name: 'buildx', line: ['docker', 'buildx', '--builder', 'default', 'build'] },
    { name: 'kiln', line: [process.execPath, await cliOfRun(), 'build'] },
  ];
});
afterAll(async () => {
  await pool?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(() => pool.watch());

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function ran(line: readonly string[], cwd: string): Promise<Ran> {
  const [program = '', ...args] = line;
  const child = spawn(program, args, {
    cwd,
    env: {
      ...process.env,
      ...pool.clientEnv,
      ...{ HOME: join(dir, 'home'), XDG_CACHE_HOME: join(dir, 'home/.cache'), NO_COLOR: '1' },
      ...{ FROM_ENV: 'of the environment', SECRET_ENV: 'also secret' },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

/**
 * Runs both programs with the same flags, each in a copy of the same directory, and returns what `read` makes of the two runs.
 * @param read gets the directory in which the program ran
 */
async function both<T>(
  files: Readonly<Record<string, string>>,
  flags: readonly string[],
  read: (run: Ran, cwd: string) => T | Promise<T>,
): Promise<readonly [buildx: T, kiln: T]> {
  const source = await mkdtemp(join(dir, 'case-'));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(source, name, '..'), { recursive: true });
    await writeFile(join(source, name), content);
  }
  const results: T[] = [];
  for (const { name, line } of programs) {
    const cwd = `${source}-${name}`;
    await cp(source, cwd, { recursive: true, preserveTimestamps: true });
    results.push(await read(await ran([...line, ...flags], cwd), cwd));
  }
  return results as [T, T];
}

/** Lists what is in the directory `out`: type, mode, size, path and content. */
async function outOf({ code, stderr }: Ran, cwd: string): Promise<string> {
  if (code !== 0) throw new Error(`exited with ${code}:\n${stderr}`);
  const list = `find out -mindepth 1 -printf '%y %m %P -> %l\\n' | sort; find out -type f | sort | xargs grep -r ''`;
  return (await command('sh', ['-c', list], { cwd })).stdout;
}

const OUT = ['--output', 'type=local,dest=out'];

test('flags that change what a build makes give the same files', async () => {
  const files = {
    'docker/app.Dockerfile': [
      '# check=skip=all',
      `FROM ${DEBIAN} AS steps`,
      'ARG GIVEN',
      'ARG FROM_ENV',
      'ARG DEFAULT=default',
      'ARG TARGETPLATFORM',
      'RUN --mount=type=secret,id=file --mount=type=secret,id=env --mount=type=secret,id=named \\',
      '  mkdir /r && cd /r && echo "$GIVEN,$FROM_ENV,$DEFAULT,$TARGETPLATFORM" > args && cp /run/secrets/* . && \\',
      '  getent hosts far.example > hosts && df -k --output=size /dev/shm > shm && { ulimit -n; ulimit -Hn; } > files',
      'FROM scratch AS result',
      'COPY --from=steps /r /r',
      'COPY --from=named /of-named /',
      'COPY --chmod=750 . /context/',
      'FROM result AS unused',
      'COPY missing /',
    ].join('\n'),
    'docker/app.Dockerfile.dockerignore': 'ignored\ndocker\nnamed\nout\n',
    '.dockerignore': '*',
    ignored: 'ignored',
    kept: 'kept',
    'named/of-named': 'named',
    'secret.bin': '\u0000\u0001secret\n',
  };
  const [expected, got] = await both(
    files,
    [
      ...['--file', 'docker/app.Dockerfile', '--target', 'result', '--no-cache-filter', 'steps'],
      ...['--build-arg', 'GIVEN=a=b c', '--build-arg', 'FROM_ENV', '--build-context', 'named=named'],
      ...[
        '--secret',
        'id=file,src=secret.bin',
        '--secret',
        'id=env,env=SECRET_ENV',
        '--secret',
        'id=named,source=kept',
      ],
      ...['--add-host', 'far.example:192.0.2.7', '--shm-size', '96m', '--ulimit', 'nofile=1234:2345'],
      ...[...OUT, '.'],
    ],
    outOf,
  );
  expect(expected).toContain('out/r/args:a=b c,of the environment,default,linux/amd64');
  expect(expected).toContain('out/r/files:1234');
  expect(got).toBe(expected);
});

test('a platform that the machine can’t run is built as far as nothing is run for it', async () => {
  const files = {
    Dockerfile: [
      `FROM --platform=$BUILDPLATFORM ${DEBIAN} AS build`,
      'ARG TARGETARCH',
      'RUN echo "for $TARGETARCH" > /app',
      'FROM scratch',
      'COPY --from=build /app /app',
    ].join('\n'),
  };
  const [expected, got] = await both(files, ['--platform', 'linux/arm64', ...OUT, '.'], outOf);
  expect(expected).toContain('for arm64');
  expect(got).toBe(expected);
});

test('an image is the same, with its labels, and so is its id in every place where it is written', async () => {
  const files = { Dockerfile: 'FROM scratch\nLABEL of=file\nENV A=b\nCOPY f /f\nCMD ["cat", "/f"]\n', f: 'f' };
  const name = `kiln-flags-${process.pid}:1`;
  const flags = ['--label', 'of=flag', '--label', 'other=a=b', '--iidfile', 'iid', '--metadata-file', 'meta.json'];
  const read = async ({ code, stdout, stderr }: Ran, cwd: string) => {
    if (code !== 0) throw new Error(`exited with ${code}:\n${stderr}`);
    const inspected = await command('docker', ['image', 'inspect', '--format', '{{json .Config}} {{.Id}}', name]);
    await command('docker', ['image', 'rm', '--force', name]);
    const metadata = JSON.parse(await readFile(join(cwd, 'meta.json'), 'utf8')) as Record<string, unknown>;
    return {
      stdout,
      image: inspected.stdout,
      iid: await readFile(join(cwd, 'iid'), 'utf8'),
      name: metadata['image.name'],
      digests: [metadata['containerimage.config.digest'], metadata['containerimage.digest']],
    };
  };
  const [expected, got] = await both(
    files,
    ['--tag', name, '--load', '--quiet', '--provenance=false', ...flags, '.'],
    read,
  );
  expect(expected.image).toContain('"of":"flag"');
  expect(expected.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  expect(got).toEqual(expected);
});

const SIMPLE = { Dockerfile: `FROM ${DEBIAN}\nCOPY f /f\n`, f: 'f' };

test.each<readonly [why: string, files: Readonly<Record<string, string>>, flags: readonly string[], words: RegExp]>([
  [
    'a step fails',
    { Dockerfile: `FROM ${DEBIAN}\nRUN echo was here; exit 7\n` },
    ['.'],
    /\[2\/2\] RUN echo was here; exit 7:[\s\S]*did not complete successfully: exit code: 7/,
  ],
  ['a file is missing', { Dockerfile: 'FROM scratch\nCOPY nothere /\n' }, ['.'], /"\/nothere": not found/],
  ['the stage is unknown', SIMPLE, ['--target', 'nope', '.'], /target stage "?nope"? could not be found/],
  [
    'the Dockerfile can’t be read',
    { Dockerfile: 'FROM scratch\nNONSENSE 1\n' },
    ['.'],
    /unknown instruction: NONSENSE/,
  ],
  ['the Dockerfile is empty', { Dockerfile: '' }, ['.'], /the Dockerfile cannot be empty|file with no instructions/],
  ['there is no Dockerfile', { f: 'f' }, ['.'], /open Dockerfile: no such file or directory/],
  ['there is no directory', {}, ['nope'], /path "nope" not found/],
  ['a tag is invalid', SIMPLE, ['--tag', 'UPPER', '.'], /lower ?case/],
  ['a flag is unknown', SIMPLE, ['--nope', '.'], /unknown flag: --nope/],
  ['an output is unknown', SIMPLE, ['--output', 'type=nope', '.'], /nope/],
  ['a secret’s file is missing', SIMPLE, ['--secret', 'id=a,src=nope', '.'], /nope: no such file or directory/],
])('if %s, both fail, and their errors have the same words', async (_, files, flags, words) => {
  const [expected, got] = await both(files, flags, ({ code, stdout, stderr }) => ({ code, text: stderr + stdout }));
  expect(expected.text).toMatch(words);
  expect(expected.code).not.toBe(0);
  expect(got.text).toMatch(words);
  expect(got.code).not.toBe(0);
});
