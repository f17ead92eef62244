import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { rawTar } from '@kiln/trees/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab, type RunningBuild, runAs, uniqueSeconds, until } from '../testing/lab.ts';

const LAB_MODULE = JSON.stringify(join(import.meta.dirname, '..', 'testing', 'lab.ts'));

let shared: Lab;
beforeAll(async () => {
  shared = await lab();
});
afterAll(() => shared[Symbol.asyncDispose]());

const own = ({ id }: RunningBuild) => join(shared.options.scratchDir, 'runs', `${id}-1`, 'own');

/** Runs a command in the tool container as the user of a build's buildx. */
async function asUserOf(build: RunningBuild, script: string): Promise<{ stdout: string; stderr: string }> {
  const { uid } = await stat(own(build));
  const { gid } = await stat('/var/run/docker.sock');
  return await runAs(shared, `${uid}:${gid}`, script);
}

test('lets a run’s buildx read its own files, but not another run’s, the tool container’s, or its environment', async () => {
  const [mine, other] = [1, 2].map((n) =>
    begin(shared.builder, {
      dockerfile: `${FROM}\nRUN sleep ${uniqueSeconds()}`,
      secrets: { token: `secret-${n}-4711`, large: `secret-${n}-4712`.repeat(20_000) },
      registryLogins: [{ host: 'registry.test', username: 'robot', password: `login-${n}` }],
    }),
  ) as [RunningBuild, RunningBuild];
  const pidOf = async (build: RunningBuild) => (await asUserOf(build, `cat ${own(build)}/pid`)).stdout;
  const started = (build: RunningBuild) => until(() => build.records.some(({ type }) => type === 'step'));
  await Promise.all([started(mine), started(other)]);
  const files = 'docker/config.json secret-1 context/Dockerfile dockerfile/Dockerfile pid';
  const read = (build: RunningBuild) => `cd ${own(build)} && cat ${files} && tr '\\0' '\\n' < /proc/$(cat pid)/environ`;
  const { stdout: seen } = await asUserOf(mine, read(mine));
  for (const text of ['auths', 'secret-1-4711', 'secret-1-4712', 'RUN sleep']) expect(seen).toContain(text);

  const otherPid = (await pidOf(other)).trim();
  expect(otherPid).toMatch(/^\d+$/);
  const { scratchDir } = shared.options;
  const tries = [
    read(other),
    `cat ${files.replaceAll(/\S+/g, (file) => join(own(other), file))}`,
    `ls ${own(other)} ${scratchDir} ${scratchDir}/runs`,
    `cat /proc/1/environ /proc/${otherPid}/environ; ls /proc/${otherPid}/root/ /proc/1/cwd/`,
    `kill ${otherPid}; echo x > ${own(other)}/x; echo x > ${scratchDir}/tool/kiln-exec; echo x > ${scratchDir}/runs/x`,
  ];
  for (const script of tries) {
    const { stdout, stderr } = await asUserOf(mine, script);
    expect({ script, stdout, stderr }).toEqual({
      ...{ script, stdout: '' },
      stderr: expect.stringMatching(/denied|not permitted|can't cd/i),
    });
  }
  // Both are still running: neither could affect the other.
  mine.stop('cancel');
  expect(await mine.outcome).toMatchObject({ end: 'canceled' });
  expect(await pidOf(other)).toBe(`${otherPid}\n`);
  other.stop('cancel');
  expect(await other.outcome).toMatchObject({ end: 'canceled' });
  expect(await readdir(join(scratchDir, 'runs'))).toEqual([]);
});

test('keeps a context’s modes in the image, also those for groups and others', async () => {
  const { outcome, output } = begin(shared.builder, {
    source: {
      type: 'tar',
      open: async () =>
        Readable.from([
          rawTar(
            {
              name: 'Dockerfile',
              content: `${FROM}\nCOPY . /c\nRUN cd /c && stat -c '%a %u:%g %n' set private open d d/f`,
            },
            { name: 'set', mode: 0o6755 },
            { name: 'private', mode: 0o600 },
            { name: 'open', mode: 0o666 },
            { name: 'd', type: '5', mode: 0o1777 },
            { name: 'd/f', mode: 0o660 },
          ),
        ]),
    },
    spec: { noCache: true },
  });
  expect(await outcome).toMatchObject({ end: 'succeeded' });
  expect(output()).toBe('6755 0:0 set\n600 0:0 private\n666 0:0 open\n1777 0:0 d\n660 0:0 d/f\n');
});

test('removes what a killed worker left when a builder starts, whatever user owns it', async () => {
  const scratchDir = await mkdtemp(join(tmpdir(), 'kiln-lab-'));
  const script = `
    import { begin, FROM, lab } from ${LAB_MODULE};
    const { builder, options } = await lab({ scratchDir: ${JSON.stringify(scratchDir)} });
    begin(builder, {
      dockerfile: FROM + '\\nRUN sleep ${uniqueSeconds()}',
      sink: ({ type }) => void (type === 'step' && console.log(options.instance)),
    });`;
  const worker = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [instance] = (await once(createInterface(worker.stdout), 'line')) as [string];
  const runs = join(scratchDir, 'runs');
  expect(await readdir(runs)).toHaveLength(1);
  await mkdir(join(runs, 'older'));
  await writeFile(join(runs, 'older', 'f'), '');
  worker.kill('SIGKILL');
  await once(worker, 'exit');
  await using next = await lab({ scratchDir, instance });
  expect(await readdir(runs)).toEqual([]);
  await next.builder.ping();
});

test('refuses to start with a socket that only its owner may use, and names a mode that works', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-socket-'));
  const server = createServer({ allowHalfOpen: true }, (from) => {
    const to = connect({ path: '/var/run/docker.sock', allowHalfOpen: true });
    pipeline(from, to, from, () => undefined);
  });
  const path = join(dir, 'docker.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  await expect(lab({ dockerSocket: path })).rejects.toThrow('got mode 755, expected one that lets its group write');
  server.close();
  await rm(dir, { recursive: true });
});

test('isolates the runs of a non-root worker, and cleans up after them', async () => {
  const { gid } = await stat('/var/run/docker.sock');
  const script = `
    import { readdirSync, statSync } from 'node:fs';
    import { begin, FROM, lab, until } from ${LAB_MODULE};
    await using own = await lab();
    const runs = own.options.scratchDir + '/runs';
    const dockerfile = FROM + '\\nCOPY . /c\\nRUN --mount=type=secret,id=s wc -c /run/secrets/s; ls /c; sleep 0.5';
    const build = begin(own.builder, { dockerfile, files: { 'a/b': 'x' }, spec: { noCache: true }, secrets: { s: 'x'.repeat(200000) } });
    await until(() => build.output().includes('a'));
    const { uid, mode } = statSync(runs + '/' + build.id + '-1/own');
    const { end } = await build.outcome;
    console.log(JSON.stringify({ end, me: process.getuid(), uid, mode: mode & 0o777, output: build.output(), left: readdirSync(runs) }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    env: { ...process.env, HOME: '/tmp' },
    // If the tests aren't run by root, this script isn't either.
    ...(process.getuid?.() === 0 && { uid: 10_001, gid }),
  });
  const seen = JSON.parse(stdout) as Record<string, unknown>;
  expect(seen).toMatchObject({ end: 'succeeded', mode: 0o700, left: [], output: expect.stringContaining('200000') });
  expect(seen.uid).toBeGreaterThanOrEqual(58_000);
  expect(seen.uid).not.toBe(seen.me);
});
