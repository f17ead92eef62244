import { chmod, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '@kiln/trees';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { readTar } from '../../testing/read-tar.ts';
import { withBuild } from '../../testing/with-build.ts';

const cli = withBuild();

const paths = () => cli.api.seen.map(({ method, path }) => `${method} ${path}`);

/** Submits the context, and returns what was said about it. */
async function build(...flags: string[]): Promise<string> {
  cli.api.seen.length = 0;
  const at = cli.io();
  expect(await runCli(['build', '-d', ...flags, '.'], at)).toBe(0);
  return at.stderr.text;
}

describe('the context of kiln build', () => {
  it('takes one request if it is there', async () => {
    expect(await build()).toMatch(/^kiln: context: 2 files, 17B; 2 files, \d+B sent\n$/);
    expect(await build()).toBe('kiln: context: 2 files, 17B; nothing to send\n');
    expect(paths()).toEqual(['POST /v1/builds']);
  });

  it('travels only as far as it has changed', async () => {
    await writeFile(join(cli.dir.path, 'large'), 'x'.repeat(100_000));
    await build();
    await writeFile(join(cli.dir.path, 'src/a'), 'B');
    // The Dockerfile is in the same object as the names of its directory, whose digest of src has changed.
    expect(await build()).toMatch(/^kiln: context: 3 files, 100\.02kB; 2 files, \d+B sent\n$/);
    expect(paths()).toEqual(['POST /v1/builds', 'POST /v1/trees/missing', 'POST /v1/trees', 'POST /v1/builds']);
    expect(new Set(cli.api.seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
  });

  it('is the same for checkouts with other times', async () => {
    await build();
    for (const path of ['Dockerfile', 'src/a']) await utimes(join(cli.dir.path, path), 1_000, 1_000);
    expect(await build()).toContain('nothing to send');
    const { source } = (await cli.submitted()).request;
    await utimes(join(cli.dir.path, 'src'), 1_000, 1_000);
    expect(await build()).toMatch(/; times of directories, \d+B sent\n$/);
    expect((await cli.submitted()).request.source).toEqual({ ...(source as object), times: expect.any(String) });
  });

  it('goes without times of directories to an API of a version that refuses them', async () => {
    const errors = [{ field: 'source.times', got: 'sha256:…', expected: 'nothing, because mtimes is stable' }];
    cli.api.refusals.set('POST /v1/builds', [{ status: 400, code: 'invalid_request', detail: 'no', errors }]);
    await build();
    expect((await cli.submitted()).request.source).not.toHaveProperty('times');
  });

  it('is sent for the team of the build', async () => {
    const at = cli.io({ env: { KILN_TEAM: 'web' } });
    expect(await runCli(['build', '-d'], at)).toBe(0);
    expect(cli.api.queries).toEqual(['', 'team=web', 'team=web', '']);
  });

  it('brings the times of its entries with --mtimes submitted, and again when only those have changed', async () => {
    await utimes(join(cli.dir.path, 'src/a'), 1_000, 1_000.5);
    await build('--mtimes', 'submitted');
    const { request } = await cli.submitted();
    expect(request).toMatchObject({ mtimes: 'submitted' });
    const { times } = request.source as unknown as { times: Digest };
    // Dockerfile, src, src/a.
    expect(cli.api.trees.files.get(times)?.readBigInt64BE(16)).toBe(1_000_500_000_000n);
    await utimes(join(cli.dir.path, 'src/a'), 1_000, 2_000);
    expect(await build('--mtimes', 'submitted')).toMatch(/; times of directories, \d+B sent\n/);
    const again = (await cli.submitted()).request.source as unknown as { times: Digest };
    expect(again.times).not.toBe(times);
  });

  it('is sent again if the API removed it meanwhile, and given up if it never stays', async () => {
    const refusal = { status: 404, code: 'context_not_found', detail: 'the context is not stored' } as const;
    cli.api.refusals.set('POST /v1/builds', [refusal, refusal]);
    await build();
    cli.api.refusals.set(
      'POST /v1/builds',
      Array.from({ length: 4 }, () => refusal),
    );
    const at = cli.io();
    expect(await runCli(['build', '-d'], at)).toBe(125);
    expect(at.stderr.text).toContain('the context is not stored [context_not_found]');
  });

  it('goes on after the API was away', async () => {
    const away = { status: 503, code: 'unavailable', detail: 'starting' } as const;
    for (const path of ['POST /v1/builds', 'POST /v1/trees/missing', 'POST /v1/trees'])
      cli.api.refusals.set(path, [away]);
    const said = await build();
    expect(said.match(/kiln: starting; retrying\n/g)).toHaveLength(3);
    expect((await cli.submitted()).entries).toHaveLength(3);
  });

  it('is not sent after Ctrl-C', async () => {
    const at = cli.io();
    const refusals = cli.api.refusals.get.bind(cli.api.refusals);
    cli.api.refusals.get = (path) => {
      at.interrupt();
      return refusals(path);
    };
    expect(await runCli(['build'], at)).toBe(130);
    expect(at.stderr.text).toContain('kiln: interrupted; nothing was submitted');
    expect(paths()).toEqual(['POST /v1/builds']);
  });

  it('has the Dockerfile from outside, also if that is all there is', async () => {
    const at = cli.io({ stdin: Buffer.from('FROM stdin') });
    expect(await runCli(['build', '-d', '-f', '-', 'src'], at)).toBe(0);
    expect((await cli.submitted()).entries).toMatchObject([
      { path: '.kiln.Dockerfile', text: 'FROM stdin' },
      { path: 'a' },
    ]);
  });

  it('is sent as a tar to an API that does not know trees', async () => {
    const unknown = { status: 404, code: 'not_found', detail: 'no route for POST /v1/trees/missing' } as const;
    cli.api.refusals.set('POST /v1/trees/missing', [unknown]);
    await chmod(join(cli.dir.path, 'src/a'), 0o4755);
    await symlink('/etc/passwd', join(cli.dir.path, 'link'));
    expect(await build()).toMatch(/^kiln: context sent, \d+\.\d+kB\n$/);
    const { request, context } = await cli.piped();
    expect(request.source).toEqual({ type: 'upload', name: expect.any(String) });
    expect(
      (await readTar([context])).map(({ name, type, mode, linkname, text }) => [name, type, mode, linkname ?? text]),
    ).toEqual([
      ['Dockerfile', 'file', 0o644, 'FROM x\nRUN make\n'],
      ['link', 'symlink', 0o777, '/etc/passwd'],
      ['src/', 'directory', 0o755, ''],
      ['src/a', 'file', 0o4755, 'A'],
    ]);
  });

  it('names a link as data', async () => {
    await symlink('/etc/passwd', join(cli.dir.path, 'link'));
    await build();
    expect((await cli.submitted()).entries).toContainEqual({ path: 'link', type: 'symlink', text: '/etc/passwd' });
  });

  it('refuses a mode of times that there is not', async () => {
    const at = cli.io();
    expect(await runCli(['build', '--mtimes', 'new'], at)).toBe(125);
    expect(at.stderr.text).toContain('--mtimes: got "new", expected stable, submitted');
  });
});
