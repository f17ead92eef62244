import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { fakeIo } from '../../testing/fake-io.ts';
import { step, withBuild } from '../../testing/with-build.ts';

const cli = withBuild();

describe('kiln build', () => {
  it('sends the directory and shows the log on standard error only', async () => {
    cli.api.onSubmit = () => cli.succeed();
    const at = cli.io();
    expect(await runCli(['build', '-t', 'app:1', '--load=host', '.'], at)).toBe(0);
    const { request, entries } = await cli.submitted();
    expect(request).toMatchObject({ tags: ['app:1'], output: { type: 'load' }, dockerfile: 'Dockerfile' });
    expect(entries.map(({ path, text }) => [path, text])).toEqual([
      ['Dockerfile', 'FROM x\nRUN make\n'],
      ['src', undefined],
      ['src/a', 'A'],
    ]);
    expect(at.stderr.text).toContain('#1 [2/2] RUN make\n#1 0.500 hello\n#1 DONE 1.0s\n');
    expect(at.stdout.text).toBe('');
  });

  it('says that an image without an output stays in the build cache', async () => {
    const said = 'kiln: no output is given, so the image stays in the build cache;';
    cli.api.onSubmit = () => cli.succeed();
    expect((await cli.run('build -t app:1')).err).toContain(said);
    for (const line of ['build', 'build -t app:1 --load=host', 'build -t app:1 -o type=cacheonly']) {
      expect((await cli.run(line)).err).not.toContain(said);
    }
  });

  it('prints only the image’s id with -q', async () => {
    cli.api.onSubmit = () => cli.succeed({ digest: 'sha256:manifest', configDigest: 'sha256:config' });
    const at = cli.io();
    expect(await runCli(['build', '-q', '--load=host', '.'], at)).toBe(0);
    expect(at.stdout.text).toBe('sha256:config\n');
  });

  it('summarises a failure: the last lines, the excerpt and a sentence with the code', async () => {
    cli.api.onSubmit = () => {
      cli.api.log(step({}));
      for (let i = 1; i <= 12; i += 1) {
        cli.api.log({ t: 1_000 + i, type: 'output', step: 1, stream: 'stderr', data: `line ${i}\n` });
      }
      cli.api.log(step({ state: 'failed', ms: 20, error: 'process "/bin/sh -c make" failed: exit code: 2' }));
      const excerpt = 'Dockerfile:2\n   2 | >>> RUN make\n';
      cli.api.end('failed', { code: 'step_failed', message: 'RUN make exited with code 2', exitCode: 2, excerpt });
    };
    const at = cli.io();
    expect(await runCli(['build'], at)).toBe(1);
    expect(at.stderr.text).toContain('#1 ERROR: failed\n\nkiln: failed\n------\n > [2/2] RUN make:');
    // The error itself is said once, at the end.
    expect(at.stderr.text.match(/code:? 2/g)).toHaveLength(1);
    const lines = Array.from({ length: 10 }, (_, i) => `${((i + 3) / 1000).toFixed(3)} line ${i + 3}\n`).join('');
    expect(at.stderr.text).toMatch(
      new RegExp(
        `------\n > \\[2/2\\] RUN make:\n${lines}------\nDockerfile:2\n   2 \\| >>> RUN make\n` +
          `ERROR: build ${cli.api.build.id} failed: RUN make exited with code 2 \\[step_failed\\]\n$`,
      ),
    );
  });

  it('writes the files of --metadata-file and --iidfile', async () => {
    cli.api.onSubmit = () =>
      cli.succeed({
        ...{ digest: 'sha256:m', manifest: { mediaType: 'application/json', sizeBytes: 12 } },
        pushed: ['r.io/a:1', 'r.io/a:2'],
      });
    expect(await runCli(['build', '--push', '--metadata-file', 'm.json', '--iidfile', 'iid'], cli.io())).toBe(0);
    expect(JSON.parse(await readFile(join(cli.dir.path, 'm.json'), 'utf8'))).toMatchObject({
      'containerimage.digest': 'sha256:m',
      'containerimage.descriptor': { mediaType: 'application/json', digest: 'sha256:m', size: 12 },
      'image.name': 'r.io/a:1,r.io/a:2',
      'kiln.build': cli.api.build.id,
    });
    expect(await readFile(join(cli.dir.path, 'iid'), 'utf8')).toBe('sha256:m');
  });

  it.each([
    ['--metadata-file nowhere/m.json', "--metadata-file nowhere/m.json: the directory DIR/nowhere doesn't exist"],
    ['--metadata-file src', '--metadata-file src: is a directory, expected a file'],
    ['--load=host --iidfile Dockerfile/iid', '--iidfile Dockerfile/iid: DIR/Dockerfile is not a directory'],
    ['-o type=tar,dest=nowhere/x.tar', "--output nowhere/x.tar: the directory DIR/nowhere doesn't exist"],
    ['-o type=local,dest=Dockerfile', '--output Dockerfile: DIR/Dockerfile is not a directory'],
    ['-o Dockerfile/out', '--output Dockerfile/out: DIR/Dockerfile is not a directory'],
    ['--iidfile iid', '--iidfile: this build makes no image that has an ID; add --load or --push'],
    ['-o out --iidfile iid', '--iidfile: this build makes no image that has an ID; add --load or --push'],
    ['-d --load', '--detach cannot be combined with --load: this command loads the image'],
    ['-q -t app:1', '--quiet prints the ID of the image, and this build makes none'],
  ])('submits nothing with %s, which can give no result', async (flags, message) => {
    const at = cli.io();
    expect(await runCli(['build', ...flags.split(' ')], at)).toBe(125);
    expect(at.stderr.text).toContain(message.replace('DIR', cli.dir.path));
    expect(cli.api.seen.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  it('prints JSON lines with --json, the build last', async () => {
    cli.api.onSubmit = () => cli.succeed();
    const at = cli.io();
    expect(await runCli(['build', '--json'], at)).toBe(0);
    const lines = at.stdout.text.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).type)).toEqual(['step', 'output', 'step', 'end', 'build']);
  });

  it('exits after the submission with --detach', async () => {
    const at = cli.io();
    expect(await runCli(['build', '-d', '--idempotency-key', 'k1'], at)).toBe(0);
    expect(at.stdout.text).toBe(`${cli.api.build.id}\n`);
    expect(cli.api.seen.at(-1)?.headers['idempotency-key']).toBe('k1');
  });

  it('sends a git source without a context', async () => {
    cli.api.onSubmit = () => cli.succeed();
    expect(await runCli(['build', 'https://h/r.git#v1:sub', '-f', 'D'], cli.io())).toBe(0);
    const seen = cli.api.seen.find(({ method }) => method === 'POST');
    expect(JSON.parse(String(seen?.body))).toMatchObject({
      source: { type: 'git', url: 'https://h/r.git', ref: 'v1', subdir: 'sub' },
      dockerfile: 'D',
    });
  });

  it('sends the Dockerfile on standard input with a git source', async () => {
    cli.api.onSubmit = () => cli.succeed();
    const stdin = Buffer.from('FROM x\nCOPY . /\n');
    expect(await runCli(['build', 'https://h/r.git', '-f', '-'], cli.io({ stdin }))).toBe(0);
    const seen = cli.api.seen.find(({ method }) => method === 'POST');
    expect(JSON.parse(String(seen?.body))).toMatchObject({
      source: { type: 'git', url: 'https://h/r.git', dockerfileText: 'FROM x\nCOPY . /\n' },
    });
  });

  it('passes through a tar on standard input, gzipped or not, and treats anything else as a Dockerfile', async () => {
    const tar = pack();
    tar.entry({ name: 'Dockerfile' }, 'FROM y');
    tar.finalize();
    const chunks: Uint8Array[] = [];
    for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
    const plain = Buffer.concat(chunks);
    for (const [stdin, type] of [
      [plain, 'application/x-tar'],
      [gzipSync(plain), 'application/gzip'],
    ] as const) {
      cli.api.seen.length = 0;
      expect(await runCli(['build', '-d', '-'], cli.io({ stdin }))).toBe(0);
      const { context, contextType } = await cli.piped();
      expect(contextType).toBe(type);
      expect(context.equals(stdin)).toBe(true);
    }
    cli.api.seen.length = 0;
    expect(await runCli(['build', '-d', '-'], cli.io({ stdin: Buffer.from('FROM z') }))).toBe(0);
    const { request, entries } = await cli.submitted();
    expect(entries).toMatchObject([{ path: request.dockerfile, text: 'FROM z' }]);
  });

  it('continues after a restart of the API', async () => {
    const at = cli.io();
    cli.api.onSubmit = () => cli.api.log(step({}));
    const running = runCli(['build'], at);
    await at.said('RUN make');
    cli.api.dropReaders();
    cli.api.log({ t: 1_500, type: 'output', step: 1, stream: 'stdout', data: 'hello\n' });
    cli.api.log(step({ state: 'completed', ms: 1_000 }));
    cli.api.end('succeeded');
    expect(await running).toBe(0);
    expect(at.stderr.text.match(/hello/g)).toHaveLength(1);
  });

  it('shows why a build waits', async () => {
    const at = cli.io();
    const host = { host: 'a', slots: 2, usedSlots: 2, warmth: 0, verdict: 'full' };
    cli.api.placement = [
      { attempt: 1, host: null, reason: 'all_full', decidedAt: '2026-01-02T03:04:05.000Z', considered: [host] },
    ];
    const running = runCli(['build'], at);
    await at.said('kiln: waiting: every host that fits is full (a 2/2)');
    cli.succeed();
    expect(await running).toBe(0);
  });

  it('shows its place in the queue and the expected start, and then on a terminal the host and why it was chosen', async () => {
    const decidedAt = '2026-01-02T03:04:05.000Z';
    const at = cli.io({ terminal: { columns: 140, rows: 30 } });
    const startAt = new Date(Date.now() + 3_000_000).toISOString();
    const waiting = { reason: 'all_full', decidedAt, startAt, ahead: 2 };
    cli.api.build = { ...cli.api.build, waiting };
    cli.api.placement = [{ attempt: 1, host: null, reason: 'all_full', decidedAt, considered: [] }];
    const running = runCli(['build'], at);
    await at.said('waiting: 3rd in the queue, starts in about ');
    await at.said(': every host that fits is full');
    cli.api.placement.push({ attempt: 1, host: 'build-01', reason: 'warm', decidedAt, considered: [] });
    cli.api.log(step({}));
    await at.said('on build-01, which has its cache');
    cli.succeed();
    expect(await running).toBe(0);
  });

  it.each([[], ['--quiet', '--load=host']])(
    'says what the pool lacks if no host can take the build (%s %s)',
    async (...flags) => {
      const message = 'no host builds linux/arm64; the pool has linux/amd64 on a';
      cli.api.onSubmit = () => cli.api.end('failed', { code: 'no_fitting_host', message });
      const at = cli.io();
      expect(await runCli(['build', '--platform', 'linux/arm64', ...flags], at)).toBe(1);
      expect(at.stdout.text).toBe('');
      expect(at.stderr.text).toContain(
        `ERROR: build ${cli.api.build.id} failed: ${message} [no_fitting_host]\nto wait for such a host, add --wait-for-host\n`,
      );
    },
  );

  it('sends how long to wait for a host, and whether to wait for one that has not joined', async () => {
    cli.api.onSubmit = () => cli.succeed();
    expect(await runCli(['build', '--queue-timeout', '10m', '--wait-for-host'], cli.io())).toBe(0);
    expect((await cli.submitted()).request).toMatchObject({ queueTimeoutSeconds: 600, waitForHost: true });
    expect(await runCli(['build'], cli.io())).toBe(0);
    expect((await cli.submitted()).request).not.toHaveProperty('waitForHost');
  });
});

describe('errors of kiln build', () => {
  it('list the fields that are not valid', async () => {
    cli.api.refusals.set('POST /v1/builds', [
      {
        status: 400,
        code: 'invalid_request',
        detail: 'the request is not valid',
        errors: [{ field: 'tags[0]', got: '"A"', expected: 'an image reference' }],
      },
    ]);
    const at = cli.io();
    expect(await runCli(['build', '-t', 'A'], at)).toBe(125);
    expect(at.stderr.text).toContain(
      'kiln: the request is not valid [invalid_request]\n  tags[0]: got "A", expected an image reference\n',
    );
  });

  it('are reported before the context is sent', async () => {
    const at = cli.io({ env: { KILN_TOKEN: 'wrong' } });
    expect(await runCli(['build'], at)).toBe(125);
    expect(at.stderr.text).toContain('Log in with `kiln login`, or set KILN_TOKEN (or --token)');
    expect(cli.api.seen.map(({ path }) => path)).toEqual(['/v1/builds']);
  });

  it('say what to do when no server is configured or none listens', async () => {
    const none = fakeIo({ cwd: cli.dir.path, env: { KILN_DATA_DIR: cli.dir.path } });
    expect(await runCli(['build'], none)).toBe(125);
    expect(none.stderr.text).toContain('start one on this machine with `kiln up`');
    const gone = cli.io();
    await cli.api[Symbol.asyncDispose]();
    expect(await runCli(['build'], gone)).toBe(125);
    expect(gone.stderr.text).toContain("Kiln isn't running");
  });
});
