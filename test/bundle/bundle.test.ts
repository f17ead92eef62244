import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { openBlobs } from '@kiln/blobs';
import { TestS3 } from '@kiln/blobs/testing';
import { bundleApp, startFile } from '@kiln/bundle';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cliOfRun } from '../../apps/cli/src/testing/cli-of-run.ts';
import { programsOfRun } from '../support/pool/programs.ts';
import { startPool } from '../support/pool/start-pool.ts';
import { InstalledCli } from './installed-cli.ts';

const ROOT = new URL('../../', import.meta.url);
const MAX_PACKED_BYTES = 4 * 1024 * 1024;
const MAX_INSTALLED_BYTES = 16 * 1024 * 1024;

let dir: string;
let cli: InstalledCli;
let programs: Awaited<ReturnType<typeof programsOfRun>>;
beforeAll(async () => {
  // Outside of the repository, whose node_modules would be found otherwise.
  dir = await mkdtemp(join(tmpdir(), 'kiln-bundle-'));
  cli = await InstalledCli.install(join(dir, 'cli'));
  programs = await programsOfRun();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test('the installed command builds an image in a pool of bundled services', async () => {
  for (const program of Object.values(programs)) expect(program).not.toContain(ROOT.pathname);
  const pool = await startPool({ programs });
  const context = join(dir, 'context');
  await mkdir(context, { recursive: true });
  await writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY a /\n');
  await writeFile(join(context, 'a'), 'a');
  const built = await cli.run(
    ['build', '--json', '-o', `type=local,dest=${join(dir, 'out')}`, context],
    pool.clientEnv,
  );
  expect(built).toMatchObject({ code: 0, out: expect.stringContaining('"succeeded"') });
  expect(await readFile(join(dir, 'out/a'), 'utf8')).toBe('a');
  expect(await cli.run(['ps', '-a'], pool.clientEnv)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/succeeded +context/),
  });
});

test('a bundled API keeps blobs in S3', async () => {
  await using s3 = await TestS3.start();
  const place = {
    ...{ KILN_S3_BUCKET: s3.bucket, KILN_S3_ENDPOINT: s3.endpoint },
    ...{ KILN_S3_ACCESS_KEY_ID: 'id', KILN_S3_SECRET_ACCESS_KEY: 'secret' },
  };
  const pool = await startPool({ programs, workers: [], env: { api: place } });
  const { request } = await pool.submit('FROM scratch\n');
  const digest = request.source.type === 'upload' ? (request.source.digest ?? '') : '';
  await using store = await openBlobs({ s3: s3.options() });
  expect((await Array.fromAsync(store.list('trees'))).map(({ key }) => key.replaceAll('/', ''))).toEqual([
    expect.stringContaining(digest.replace('sha256:', '')),
  ]);
});

test('a bundled service names the setting that is wrong', () => {
  const { status, stderr } = spawnSync(process.execPath, [programs.api], { encoding: 'utf8', env: {} });
  expect([status, stderr]).toEqual([2, expect.stringContaining('KILN_REDIS_URL')]);
});

test('replaces a bundle at once, and leaves nothing beside it', async () => {
  const out = join(dir, 'again', 'scheduler');
  await cp(join(dirname(programs.scheduler), '..'), out, { recursive: true });
  await writeFile(join(out, 'js/left-behind.js'), '');
  const before = await readFile(join(out, startFile('scheduler')), 'utf8');
  await bundleApp('scheduler', out);
  expect(await readFile(join(out, startFile('scheduler')), 'utf8')).toBe(before);
  expect((await readdir(out)).sort()).toEqual(['LICENSES.txt', 'js', 'lua']);
  expect(await readdir(join(out, 'js'))).not.toContain('left-behind.js');
  expect(await readdir(join(dir, 'again'))).toEqual(['scheduler']);
});

test('has the script of the threads that hash contexts beside the code that starts them', async () => {
  const js = dirname(await cliOfRun());
  const thread = new Worker(join(js, 'hash-worker.js'));
  const file = join(js, 'package.json');
  thread.postMessage([file]);
  const [answer] = await once(thread, 'message');
  await thread.terminate();
  expect(answer).toMatchObject([{ sha256: hash('sha256', await readFile(file)) }]);
});

describe('the installed command', () => {
  test('runs without anything else', async () => {
    const { version } = JSON.parse(await readFile(new URL('apps/cli/package.json', ROOT), 'utf8')) as {
      version: string;
    };
    for (const args of [['version'], ['--version']]) {
      expect(await cli.run(args)).toEqual({ code: 0, out: `kiln ${version}\n`, err: '' });
    }
    const help = await cli.run(['--help']);
    expect(help).toEqual({ code: 0, out: expect.stringContaining('Build an image on the pool'), err: '' });
    expect(await cli.run(['up', '--help'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('--listen-workers'),
    });
    expect(await cli.run(['help', '--markdown'])).toEqual({
      ...{ code: 0, err: '' },
      out: await readFile(new URL('docs/use/cli.md', ROOT), 'utf8'),
    });
  });

  test('refuses a Node that is too old for it', async () => {
    const old = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.4' } });";
    const err = 'kiln: got Node 20.19.4, expected 22 or newer\n';
    expect(await cli.run(['--help'], {}, old)).toEqual({ code: 125, out: '', err });
  });

  test('shows the place in the sources of an unexpected error', async () => {
    const fault = "String.prototype.padEnd = () => { throw new TypeError('a fault of this test') };";
    const { code, err } = await cli.run(['ps', '--help'], { KILN_DEBUG: '1' }, fault);
    expect([code, err]).toEqual([125, expect.stringContaining('a fault of this test')]);
    const [, path = '', line = ''] = /kiln:\/\/\/(apps\/cli\/src\/framework\/help\.ts):(\d+):\d+/.exec(err) ?? [];
    const source = await readFile(new URL(path, ROOT), 'utf8');
    expect(source.split('\n')[Number(line) - 1]).toContain('.padEnd(');
  });

  test('loads a command only when it runs, and what needs the API only to call it', async () => {
    const commands = (sources: readonly string[]) => [
      ...new Set(
        sources.flatMap((source) => /^apps\/cli\/src\/commands\/(.+)\//.exec(source)?.[1]?.split('/')[0] ?? []),
      ),
    ];
    const heavy = (sources: readonly string[]) =>
      sources.filter((source) => /\/(?:zod|express|bullmq|string-width)\//.test(source));
    const overview = await cli.sourcesLoadedBy(['--help']);
    expect([commands(overview), heavy(overview)]).toEqual([[], []]);
    for (const [args, folder] of [
      [['build', '--help'], 'build'],
      [['up', '--help'], 'pool'],
    ] as const) {
      const sources = await cli.sourcesLoadedBy(args);
      expect([commands(sources), heavy(sources)]).toEqual([[folder], []]);
    }
    // The schemas of answers come with the first answer.
    const unanswered = await cli.sourcesLoadedBy(['whoami', '--url', 'http://127.0.0.1:1']);
    expect(commands(unanswered)).toEqual(['token']);
    expect(heavy(unanswered).filter((source) => !source.includes('/string-width/'))).toEqual([]);
    expect(unanswered.some((source) => source.startsWith('packages/client/'))).toBe(true);
    // A build is submitted without them, too: they are loaded while the server works on its answer.
    const context = join(dir, 'context');
    await mkdir(context, { recursive: true });
    await writeFile(join(context, 'Dockerfile'), 'FROM scratch\n');
    const submitted = await cli.sourcesLoadedBy(['build', '--repo', 'r', '--url', 'http://127.0.0.1:1', context]);
    expect(submitted.some((source) => source.startsWith('packages/client/'))).toBe(true);
    expect(commands(submitted)).toEqual(['build']);
    expect(heavy(submitted).filter((source) => !source.includes('/string-width/'))).toEqual([]);
    // With the first answer come only the schemas that a build takes.
    await using refusing = await answering(403);
    const schemas = (await cli.sourcesLoadedBy(['build', '--repo', 'r', '--url', refusing.url, context])).filter(
      (source) => source.startsWith('packages/contracts/src/'),
    );
    expect(schemas).toContain('packages/contracts/src/http/build-view.ts');
    expect(schemas.filter((source) => /(?:schedules|webhooks?|limits|audit|views)\.ts$/.test(source))).toEqual([]);
  });

  test('is small, and brings the licences of its libraries', async () => {
    expect((await stat(cli.tarball)).size).toBeLessThan(MAX_PACKED_BYTES);
    expect(await cli.size()).toBeLessThan(MAX_INSTALLED_BYTES);
    const licences = await readFile(join(dir, 'cli/app/node_modules/@kiln/cli/dist/cli/LICENSES.txt'), 'utf8');
    for (const library of ['zod', 'express', 'bullmq'])
      expect(licences).toMatch(new RegExp(`^${library} \\d.* \\(MIT\\)$`, 'm'));
  });
});

/** A server that answers every request with a status, and nothing else. */
async function answering(status: number): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
