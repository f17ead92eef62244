import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, readlink, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { LogRecord } from '@kiln/contracts';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { FakeApi, type Seen } from '../../testing/fake-api.ts';
import { type FakeIo, fakeIo } from '../../testing/fake-io.ts';
import { readTar, type TarEntry } from '../../testing/read-tar.ts';
import { TempDir } from '../../testing/temp-dir.ts';

let api: FakeApi;
let dir: TempDir;

beforeEach(async () => {
  api = await FakeApi.start();
  dir = await TempDir.with({ Dockerfile: 'FROM x\nRUN make\n', 'src/a': 'A' });
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

const io = (more: Partial<Parameters<typeof fakeIo>[0]> = {}): FakeIo =>
  fakeIo({ cwd: dir.path, ...more, env: { KILN_URL: api.url, KILN_TOKEN: api.token, ...more.env } });

const step = (change: Partial<Extract<LogRecord, { type: 'step' }>>): LogRecord => ({
  t: 1_000,
  type: 'step',
  step: 1,
  name: '[2/2] RUN make',
  state: 'started',
  ...change,
});

function succeed(result = {}): void {
  api.log(step({}));
  api.log({ t: 1_500, type: 'output', step: 1, stream: 'stdout', data: 'hello\n' });
  api.log(step({ t: 2_000, state: 'completed', ms: 1_000 }));
  api.end('succeeded', undefined, result);
}

interface Multipart {
  readonly request: Record<string, unknown>;
  readonly context: Buffer;
  readonly contextType: string;
}

function multipart({ headers, body }: Seen): Multipart {
  const boundary = /boundary=(.+)$/.exec(String(headers['content-type']))?.[1];
  const [, request = '', context = ''] = body.toString('latin1').split(`--${boundary}`);
  const content = (part: string) => part.slice(part.indexOf('\r\n\r\n') + 4, -2);
  return {
    request: JSON.parse(Buffer.from(content(request), 'latin1').toString()),
    context: Buffer.from(content(context), 'latin1'),
    contextType: /Content-Type: (\S+)/.exec(context)?.[1] ?? '',
  };
}

async function submitted(): Promise<Multipart & { entries: TarEntry[] }> {
  const seen = api.seen.find(({ method, path }) => method === 'POST' && path === '/v1/builds');
  if (!seen) throw new Error('nothing was submitted');
  const parts = multipart(seen);
  return { ...parts, entries: parts.contextType === 'application/x-tar' ? await readTar([parts.context]) : [] };
}

describe('kiln build', () => {
  it('sends the directory, shows the log on stderr, and leaves stdout clean', async () => {
    api.onSubmit = () => succeed();
    const at = io();
    expect(await runCli(['build', '-t', 'app:1', '--load', '.'], at)).toBe(0);
    const { request, entries } = await submitted();
    expect(request).toMatchObject({ tags: ['app:1'], output: { type: 'load' }, dockerfile: 'Dockerfile' });
    expect(entries.map(({ name, text }) => [name, text])).toEqual([
      ['Dockerfile', 'FROM x\nRUN make\n'],
      ['src/', ''],
      ['src/a', 'A'],
    ]);
    expect(at.stderr.text).toContain('#1 [2/2] RUN make\n#1 0.500 hello\n#1 DONE 1.0s\n');
    expect(at.stdout.text).toBe('');
  });

  it('prints only the id with -q', async () => {
    api.onSubmit = () => succeed({ digest: 'sha256:manifest', configDigest: 'sha256:config' });
    const at = io();
    expect(await runCli(['build', '-q', '.'], at)).toBe(0);
    expect(at.stdout.text).toBe('sha256:config\n');
  });

  it('ends a failure with the last lines, the excerpt and a sentence with the code', async () => {
    api.onSubmit = () => {
      api.log(step({}));
      for (let i = 1; i <= 12; i += 1) {
        api.log({ t: 1_000 + i, type: 'output', step: 1, stream: 'stderr', data: `line ${i}\n` });
      }
      api.log(step({ state: 'failed', ms: 20, error: 'exit code: 2' }));
      const excerpt = 'Dockerfile:2\n   2 | >>> RUN make\n';
      api.end('failed', { code: 'step_failed', message: 'RUN make exited with code 2', exitCode: 2, excerpt });
    };
    const at = io();
    expect(await runCli(['build'], at)).toBe(1);
    const lines = Array.from({ length: 10 }, (_, i) => `${((i + 3) / 1000).toFixed(3)} line ${i + 3}\n`).join('');
    expect(at.stderr.text).toMatch(
      new RegExp(
        `------\n > \\[2/2\\] RUN make:\n${lines}------\nDockerfile:2\n   2 \\| >>> RUN make\n` +
          `ERROR: build ${api.build.id} failed: RUN make exited with code 2 \\[step_failed\\]\n$`,
      ),
    );
  });

  it('writes the metadata and the id where asked to', async () => {
    api.onSubmit = () => succeed({ digest: 'sha256:m', pushed: ['r.io/a:1', 'r.io/a:2'] });
    expect(await runCli(['build', '--metadata-file', 'm.json', '--iidfile', 'iid'], io())).toBe(0);
    expect(JSON.parse(await readFile(join(dir.path, 'm.json'), 'utf8'))).toMatchObject({
      'containerimage.digest': 'sha256:m',
      'image.name': 'r.io/a:1,r.io/a:2',
      'kiln.build': api.build.id,
    });
    expect(await readFile(join(dir.path, 'iid'), 'utf8')).toBe('sha256:m');
  });

  it('gives JSON lines with --json, the build last', async () => {
    api.onSubmit = () => succeed();
    const at = io();
    expect(await runCli(['build', '--json'], at)).toBe(0);
    const lines = at.stdout.text.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).type)).toEqual(['step', 'output', 'step', 'end', 'build']);
  });

  it('leaves after the submission with --detach', async () => {
    const at = io();
    expect(await runCli(['build', '-d', '--idempotency-key', 'k1'], at)).toBe(0);
    expect(at.stdout.text).toBe(`${api.build.id}\n`);
    expect(api.seen.at(-1)?.headers['idempotency-key']).toBe('k1');
  });

  it('sends a git source as it is', async () => {
    api.onSubmit = () => succeed();
    expect(await runCli(['build', 'https://h/r.git#v1:sub', '-f', 'D'], io())).toBe(0);
    const seen = api.seen.find(({ method }) => method === 'POST');
    expect(JSON.parse(String(seen?.body))).toMatchObject({
      source: { type: 'git', url: 'https://h/r.git', ref: 'v1', subdir: 'sub' },
      dockerfile: 'D',
    });
  });

  it('passes a tar on standard input through, packed or not, and takes anything else for a Dockerfile', async () => {
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
      api.seen.length = 0;
      expect(await runCli(['build', '-d', '-'], io({ stdin }))).toBe(0);
      const { context, contextType } = await submitted();
      expect(contextType).toBe(type);
      expect(context.equals(stdin)).toBe(true);
    }
    api.seen.length = 0;
    expect(await runCli(['build', '-d', '-'], io({ stdin: Buffer.from('FROM z') }))).toBe(0);
    const { request, entries } = await submitted();
    expect(entries).toMatchObject([{ name: request.dockerfile, text: 'FROM z' }]);
  });

  it('goes on after the API was restarted', async () => {
    const at = io();
    api.onSubmit = () => api.log(step({}));
    const running = runCli(['build'], at);
    await at.said('RUN make');
    api.dropReaders();
    api.log({ t: 1_500, type: 'output', step: 1, stream: 'stdout', data: 'hello\n' });
    api.log(step({ state: 'completed', ms: 1_000 }));
    api.end('succeeded');
    expect(await running).toBe(0);
    expect(at.stderr.text.match(/hello/g)).toHaveLength(1);
  });

  it('says why a build waits', async () => {
    const at = io();
    const host = { host: 'a', slots: 2, usedSlots: 2, warmth: 0, verdict: 'full' };
    api.placement = [
      { attempt: 1, host: null, reason: 'all_full', decidedAt: '2026-01-02T03:04:05.000Z', considered: [host] },
    ];
    const running = runCli(['build'], at);
    await at.said('kiln: waiting: every host that fits is full (a 2/2)');
    succeed();
    expect(await running).toBe(0);
  });
});

describe('Ctrl-C', () => {
  it('cancels the build and waits until the host has confirmed', async () => {
    const at = io();
    api.onSubmit = () => api.log(step({}));
    api.onCancel = () => ({ status: 202 });
    const running = runCli(['build'], at);
    await at.said('RUN make');
    at.interrupt();
    await at.said('canceling the build');
    api.log(step({ state: 'canceled' }));
    api.end('canceled', { code: 'canceled', message: 'canceled' });
    expect(await running).toBe(130);
    expect(api.seen.filter(({ path }) => path.endsWith('/cancel'))).toHaveLength(1);
  });

  it('leaves at once the second time', async () => {
    const at = io();
    api.onSubmit = () => api.log(step({}));
    api.onCancel = () => ({ status: 202 });
    const running = runCli(['build'], at);
    await at.said('RUN make');
    at.interrupt();
    at.interrupt();
    expect(at.exits).toEqual([130]);
    api.end('canceled');
    await running;
  });

  it('is too late for a build that has succeeded', async () => {
    const at = io();
    api.onSubmit = () => api.log(step({}));
    api.onCancel = () => {
      api.end('succeeded');
      return { status: 202 };
    };
    const running = runCli(['build'], at);
    await at.said('RUN make');
    at.interrupt();
    expect(await running).toBe(0);
  });
});

describe('other builds', () => {
  const NEWER = '01kaqz6w5h0000000000newer0';

  it('that supersede it are named, and have an exit code of their own', async () => {
    api.onSubmit = () => {
      api.build = { ...api.build, supersededBy: NEWER };
      api.end('canceled', { code: 'superseded', message: `superseded by build ${NEWER}` });
    };
    const at = io();
    expect(await runCli(['build', '--concurrency-key', 'main', '--supersede', 'running'], at)).toBe(3);
    expect((await submitted()).request).toMatchObject({ concurrencyKey: 'main', supersede: 'running' });
    expect(at.stderr.text).toContain(`build ${api.build.id} canceled: superseded by build ${NEWER} [superseded]\n`);
  });

  it('whose run it shares are named', async () => {
    api.build = { ...api.build, sharedRun: NEWER };
    api.onSubmit = () => succeed();
    const at = io();
    expect(await runCli(['build', '--dedupe'], at)).toBe(0);
    expect((await submitted()).request).toMatchObject({ dedupe: true });
    expect(at.stderr.text).toContain(`kiln: build ${api.build.id}, which shares the run of build ${NEWER}\n`);
  });

  it('that share its run keep it at Ctrl-C, and nobody waits for it', async () => {
    const at = io();
    api.onSubmit = () => api.log(step({}));
    api.onCancel = () => {
      api.build = { ...api.build, state: 'running', releasedAt: '2026-01-02T03:04:05.000Z' };
      return { status: 200 };
    };
    const running = runCli(['build', '--dedupe'], at);
    await at.said('RUN make');
    at.interrupt();
    expect(await running).toBe(130);
    expect(at.stderr.text).toContain(`build ${api.build.id} goes on for others that share its run\n`);
    expect(api.build.finishedAt).toBeUndefined();
  });

  it('canceled by somebody else it failed', async () => {
    api.onSubmit = () => api.end('canceled', { code: 'canceled', message: 'canceled while queued' });
    expect(await runCli(['build'], io())).toBe(1);
  });
});

describe('what went wrong', () => {
  it('is told field by field', async () => {
    api.refusals.set('POST /v1/builds', [
      {
        status: 400,
        code: 'invalid_request',
        detail: 'the request is not valid',
        errors: [{ field: 'tags[0]', got: '"A"', expected: 'an image reference' }],
      },
    ]);
    const at = io();
    expect(await runCli(['build', '-t', 'A'], at)).toBe(125);
    expect(at.stderr.text).toContain(
      'kiln: the request is not valid [invalid_request]\n  tags[0]: got "A", expected an image reference\n',
    );
  });

  it('is said before the context is sent', async () => {
    const at = io({ env: { KILN_TOKEN: 'wrong' } });
    expect(await runCli(['build'], at)).toBe(125);
    expect(at.stderr.text).toContain('Set KILN_TOKEN (or --token)');
    expect(api.seen.some(({ method }) => method === 'POST')).toBe(false);
  });

  it('names what to do when there is no Kiln', async () => {
    const none = fakeIo({ cwd: dir.path, env: { KILN_DATA_DIR: dir.path } });
    expect(await runCli(['build'], none)).toBe(125);
    expect(none.stderr.text).toContain('Start one here with `kiln up`');
    const gone = io();
    await api[Symbol.asyncDispose]();
    expect(await runCli(['build'], gone)).toBe(125);
    expect(gone.stderr.text).toContain("Kiln isn't running");
    api = await FakeApi.start();
  });
});

describe('-o', () => {
  async function artifactOf(...headers: Parameters<ReturnType<typeof pack>['entry']>[0][]): Promise<void> {
    const tar = pack();
    for (const header of headers) {
      if (header.type === undefined) tar.entry(header, `content of ${header.name}`);
      else tar.entry(header);
    }
    tar.finalize();
    const chunks: Uint8Array[] = [];
    for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
    api.artifact = Buffer.concat(chunks);
    const digest = `sha256:${createHash('sha256').update(api.artifact).digest('hex')}`;
    api.onSubmit = () => succeed({ artifact: { digest, sizeBytes: api.artifact.length } });
  }

  it('unpacks into a directory', async () => {
    await artifactOf(
      { name: 'bin/', type: 'directory', mode: 0o755 },
      { name: 'bin/app', mode: 0o755 },
      { name: 'link', type: 'symlink', linkname: 'bin/app' },
    );
    expect(await runCli(['build', '-o', 'out'], io())).toBe(0);
    expect(await readFile(join(dir.path, 'out/bin/app'), 'utf8')).toBe('content of bin/app');
    expect(await readlink(join(dir.path, 'out/link'))).toBe('bin/app');
  });

  it('writes a tar to a file or to standard output', async () => {
    await artifactOf({ name: 'a' });
    expect(await runCli(['build', '-o', 'type=tar,dest=x.tar'], io())).toBe(0);
    expect((await readFile(join(dir.path, 'x.tar'))).equals(api.artifact)).toBe(true);
    const at = io();
    expect(await runCli(['build', '-o', '-'], at)).toBe(0);
    expect(Buffer.from(at.stdout.text, 'latin1').equals(api.artifact)).toBe(true);
  });

  it.each([['../evil'], ['/evil'], ['a/../../evil']])('does not let %s out of the directory', async (name) => {
    await artifactOf({ name });
    const at = io();
    expect(await runCli(['build', '-o', 'out'], at)).toBe(125);
    expect(at.stderr.text).toContain(`the artifact has ${JSON.stringify(name)}: got a name`);
  });

  it('does not write through a link that was there before', async () => {
    await using outside = await TempDir.with({});
    await mkdir(join(dir.path, 'out'));
    await symlink(outside.path, join(dir.path, 'out/d'));
    await artifactOf({ name: 'd/evil' });
    const at = io();
    expect(await runCli(['build', '-o', 'out'], at)).toBe(125);
    expect(at.stderr.text).toContain('written through');
    expect(await readdir(outside.path)).toEqual([]);
  });

  it('does not change what a link leads to, not the mode either', async () => {
    await using outside = await TempDir.with({});
    await chmod(outside.path, 0o700);
    const link = { name: 'd', type: 'symlink', linkname: outside.path } as const;
    const directory = { name: 'd', type: 'directory', mode: 0o777 } as const;
    for (const entries of [
      [link, { name: 'd/evil' }],
      [directory, link],
      [link, directory],
      [link, { name: 'd' }],
    ]) {
      await artifactOf(...entries);
      const at = io();
      expect(await runCli(['build', '-o', 'out'], at)).toBe(125);
      expect(at.stderr.text).toContain('the artifact has "d');
      expect([await readdir(outside.path), (await stat(outside.path)).mode & 0o7777]).toEqual([[], 0o700]);
    }
  });

  it('notices what arrives damaged', async () => {
    await artifactOf({ name: 'a' });
    api.artifact = Buffer.concat([api.artifact, Buffer.alloc(512)]);
    const at = io();
    expect(await runCli(['build', '-o', 'type=tar,dest=x.tar'], at)).toBe(125);
    expect(at.stderr.text).toContain('arrived damaged');
    await expect(readFile(join(dir.path, 'x.tar'))).rejects.toThrow('ENOENT');
  });

  it('is refused where it can’t be kept', async () => {
    await symlink('/etc', join(dir.path, 'ignored'));
    const terminal = io({ terminal: { columns: 80, rows: 24 } });
    expect(await runCli(['build', '-o', '-'], terminal)).toBe(125);
    expect(terminal.stderr.text).toContain("a tar isn't for a terminal");
    const detached = io();
    expect(await runCli(['build', '-d', '-o', 'out'], detached)).toBe(125);
    expect(api.seen).toEqual([]);
  });
});
