import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CommandEnd, command } from '../../support/command.ts';
import { DEBIAN } from '../../support/dockerfiles.ts';
import type { Pool } from '../../support/pool/pool.ts';
import { bothPrograms, testDir } from './both.ts';
import type { SameLab } from './lab.ts';

/**
 * Runs both programs with the same flags, each in a copy of the same directory, and returns what `read` makes of the two runs.
 * @param read gets the directory in which the program ran
 */
async function both<T>(
  pool: Pool,
  files: Readonly<Record<string, string>>,
  flags: readonly string[] | ((program: string) => readonly string[]),
  read: (run: CommandEnd, cwd: string, program: string) => T | Promise<T>,
): Promise<readonly [buildx: T, kiln: T]> {
  const dir = await testDir();
  const source = join(dir, 'source');
  await mkdir(source);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(source, name, '..'), { recursive: true });
    await writeFile(join(source, name), content);
  }
  const results: T[] = [];
  const { buildx, kiln } = await bothPrograms(pool, join(dir, 'home'));
  for (const [name, build] of Object.entries({ buildx, kiln })) {
    const cwd = join(dir, name);
    await cp(source, cwd, { recursive: true, preserveTimestamps: true });
    results.push(await read(await build(cwd, ...(typeof flags === 'function' ? flags(name) : flags)), cwd, name));
  }
  return results as [T, T];
}

/** Lists what is in the directory `out`: type, mode, size, path and content. */
async function outOf({ code, stderr }: CommandEnd, cwd: string): Promise<string> {
  if (code !== 0) throw new Error(`exited with ${code}:\n${stderr}`);
  const list = `find out -mindepth 1 -printf '%y %m %P -> %l\\n' | sort; find out -type f | sort | xargs grep -r ''`;
  return (await command('sh', ['-c', list], { cwd })).stdout;
}

const OUT = ['--output', 'type=local,dest=out'];

const SIMPLE = { Dockerfile: `FROM ${DEBIAN}\nCOPY f /f\n`, f: 'f' };

/** Stories of flags that change what a build makes, and of errors. */
export function resultStories({ pool, images }: SameLab): void {
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
      pool(),
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
    const [expected, got] = await both(pool(), files, ['--platform', 'linux/arm64', ...OUT, '.'], outOf);
    expect(expected).toContain('for arm64');
    expect(got).toBe(expected);
  });

  test('an image is the same, with its labels, and so is its id in every place where it is written', async () => {
    const files = { Dockerfile: 'FROM scratch\nLABEL of=file\nENV A=b\nCOPY f /f\nCMD ["cat", "/f"]\n', f: 'f' };
    // Each has its own, because the one's image must not be taken for the other's.
    const nameOf = (program: string) => `kiln-same-${program}-${process.pid}:1`;
    for (const program of ['buildx', 'kiln']) images.add(nameOf(program));
    const flags = ['--label', 'of=flag', '--label', 'other=a=b', '--iidfile', 'iid', '--metadata-file', 'meta.json'];
    const read = async ({ code, stdout, stderr }: CommandEnd, cwd: string, program: string) => {
      if (code !== 0) throw new Error(`exited with ${code}:\n${stderr}`);
      const format = '{{json .Config}} {{.Id}}';
      const inspected = await command('docker', ['image', 'inspect', '--format', format, nameOf(program)]);
      const metadata = JSON.parse(await readFile(join(cwd, 'meta.json'), 'utf8')) as Record<string, unknown>;
      return {
        stdout,
        image: inspected.stdout,
        iid: await readFile(join(cwd, 'iid'), 'utf8'),
        name: String(metadata['image.name']).replace(nameOf(program), 'its own'),
        digests: [metadata['containerimage.config.digest'], metadata['containerimage.digest']],
      };
    };
    const [expected, got] = await both(
      pool(),
      files,
      (program) => ['--tag', nameOf(program), '--load', '--quiet', '--provenance=false', ...flags, '.'],
      read,
    );
    expect(expected).toMatchObject({
      image: expect.stringContaining('"of":"flag"'),
      name: 'docker.io/library/its own',
    });
    expect(expected.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(got).toEqual(expected);
  });

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
    const [expected, got] = await both(pool(), files, flags, ({ code, stdout, stderr }) => ({
      code,
      text: stderr + stdout,
    }));
    expect(expected.text).toMatch(words);
    expect(expected.code).not.toBe(0);
    expect(got.text).toMatch(words);
    expect(got.code).not.toBe(0);
  });
}
