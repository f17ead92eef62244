import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, readlink, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../../cli.ts';
import { TempDir } from '../../../testing/temp-dir.ts';
import { withBuild } from '../../../testing/with-build.ts';

const cli = withBuild();

describe('kiln build -o', () => {
  async function artifactOf(...headers: Parameters<ReturnType<typeof pack>['entry']>[0][]): Promise<void> {
    const tar = pack();
    for (const header of headers) {
      if (header.type === undefined) tar.entry(header, `content of ${header.name}`);
      else tar.entry(header);
    }
    tar.finalize();
    const chunks: Uint8Array[] = [];
    for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
    cli.api.artifact = Buffer.concat(chunks);
    const digest = `sha256:${createHash('sha256').update(cli.api.artifact).digest('hex')}`;
    cli.api.onSubmit = () => cli.succeed({ artifact: { digest, sizeBytes: cli.api.artifact.length } });
  }

  it('unpacks the artifact into a directory', async () => {
    await artifactOf(
      { name: 'bin/', type: 'directory', mode: 0o755 },
      { name: 'bin/app', mode: 0o755 },
      { name: 'link', type: 'symlink', linkname: 'bin/app' },
    );
    expect(await runCli(['build', '-o', 'out'], cli.io())).toBe(0);
    expect(await readFile(join(cli.dir.path, 'out/bin/app'), 'utf8')).toBe('content of bin/app');
    expect(await readlink(join(cli.dir.path, 'out/link'))).toBe('bin/app');
  });

  it('writes a tar to a file or to standard output', async () => {
    await artifactOf({ name: 'a' });
    expect(await runCli(['build', '-o', 'type=tar,dest=x.tar'], cli.io())).toBe(0);
    expect((await readFile(join(cli.dir.path, 'x.tar'))).equals(cli.api.artifact)).toBe(true);
    const at = cli.io();
    expect(await runCli(['build', '-o', '-'], at)).toBe(0);
    expect(Buffer.from(at.stdout.text, 'latin1').equals(cli.api.artifact)).toBe(true);
  });

  it('writes a tar into a pipe, and does not replace it by a file', async () => {
    await artifactOf({ name: 'a' });
    const pipe = join(cli.dir.path, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [code, got] = await Promise.all([runCli(['build', '-o', 'type=tar,dest=pipe'], cli.io()), readFile(pipe)]);
    expect(code).toBe(0);
    expect(got.equals(cli.api.artifact)).toBe(true);
    expect((await stat(pipe)).isFIFO()).toBe(true);
  });

  it.each([['../evil'], ['/evil'], ['a/../../evil']])('does not write %s outside the directory', async (name) => {
    await artifactOf({ name });
    const at = cli.io();
    expect(await runCli(['build', '-o', 'out'], at)).toBe(125);
    expect(at.stderr.text).toContain(`the artifact has ${JSON.stringify(name)}: got a name`);
  });

  it('does not write through a link that exists already', async () => {
    await using outside = await TempDir.with({});
    await mkdir(join(cli.dir.path, 'out'));
    await symlink(outside.path, join(cli.dir.path, 'out/d'));
    await artifactOf({ name: 'd/evil' });
    const at = cli.io();
    expect(await runCli(['build', '-o', 'out'], at)).toBe(125);
    expect(at.stderr.text).toContain('written through');
    expect(await readdir(outside.path)).toEqual([]);
  });

  it('does not change the target of a link, nor its mode', async () => {
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
      const at = cli.io();
      expect(await runCli(['build', '-o', 'out'], at)).toBe(125);
      expect(at.stderr.text).toContain('the artifact has "d');
      expect([await readdir(outside.path), (await stat(outside.path)).mode & 0o7777]).toEqual([[], 0o700]);
    }
  });

  it('reports an artifact that arrives damaged', async () => {
    await artifactOf({ name: 'a' });
    cli.api.artifact = Buffer.concat([cli.api.artifact, Buffer.alloc(512)]);
    const at = cli.io();
    expect(await runCli(['build', '-o', 'type=tar,dest=x.tar'], at)).toBe(125);
    expect(at.stderr.text).toContain('arrived damaged');
    await expect(readFile(join(cli.dir.path, 'x.tar'))).rejects.toThrow('ENOENT');
  });

  it('is refused for a terminal, and with --detach', async () => {
    await symlink('/etc', join(cli.dir.path, 'ignored'));
    const terminal = cli.io({ terminal: { columns: 80, rows: 24 } });
    expect(await runCli(['build', '-o', '-'], terminal)).toBe(125);
    expect(terminal.stderr.text).toContain("can't write a tar to a terminal");
    const detached = cli.io();
    expect(await runCli(['build', '-d', '-o', 'out'], detached)).toBe(125);
    expect(detached.stderr.text).toContain('--detach cannot be combined with --output');
    expect(cli.api.seen).toEqual([]);
  });
});
