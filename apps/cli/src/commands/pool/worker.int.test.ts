import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeImages, startPrivateRegistry } from '@kiln/buildkit/testing';
import { KilnClient } from '@kiln/client';
import { freePort } from '@kiln/runtime/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFailed, onTestFinished, test } from 'vitest';
import { runCli } from '../../cli.ts';
import { cliOfRun } from '../../testing/cli-of-run.ts';
import { fakeIo } from '../../testing/fake-io.ts';
import { RealPool } from '../../testing/real-pool.ts';

const BASE = process.env.KILN_EXAMPLE_DEBIAN_IMAGE ?? 'kiln.local/debian:bookworm-slim';

let main: string;
let pool: RealPool;
let dir: string;
const children: Kiln[] = [];

beforeAll(async () => {
  main = await cliOfRun();
});
beforeEach(async () => {
  pool = await RealPool.start();
  dir = await mkdtemp(join(tmpdir(), 'kiln-worker-'));
  await writeFile(join(dir, 'join-token'), `${pool.joinToken}\n`);
});
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()));
  await pool[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

/** A `kiln` process that runs until it is stopped. */
class Kiln {
  said = '';
  readonly #times: string[] = [];
  readonly exit: Promise<number | null>;
  readonly #child: ReturnType<typeof spawn>;
  #heard: () => void = () => {};

  constructor(...args: readonly string[]) {
    this.#child = spawn(process.execPath, [main, ...args], {
      env: { KILN_TOOL_IMAGE: 'kiln.local/tool:1', ...process.env, KILN_DRIVER: 'docker', KILN_LOG_LEVEL: 'info' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const startedAt = performance.now();
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.said += chunk;
      this.#times.push(`${Math.round(performance.now() - startedAt)} ms: ${chunk}`);
      this.#heard();
    });
    onTestFailed(async () => {
      const log = await readFile(join(dir, 'data', 'worker.log'), 'utf8').catch(() => '');
      console.error(`kiln ${args.join(' ')}\n${this.#times.join('')}\nworker.log:\n${log}`);
    });
    this.exit = once(this.#child, 'exit').then(([code]) => code as number | null);
    children.push(this);
  }

  /** Waits until the process has printed `text`. Throws if it exits first. */
  async says(text: string): Promise<void> {
    const gone = this.exit.then((code) => {
      throw new Error(`ended with ${code} before it said ${text}:\n${this.said}`);
    });
    gone.catch(() => {});
    while (!this.said.includes(text)) {
      const heard = new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
      await Promise.race([heard, gone]);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill('SIGTERM');
    await this.exit;
  }
}

const joining = () => ['--join', pool.api.url, '--token-file', join(dir, 'join-token'), '--name', 'far'];
const startWorker = (...args: string[]) => new Kiln('worker', '--data-dir', join(dir, 'data'), ...args);
const client = () => new KilnClient({ url: pool.api.url, token: pool.token });

async function* tarOf(dockerfile: string): AsyncGenerator<Uint8Array> {
  const { pack } = await import('tar-stream');
  const packing = pack();
  packing.entry({ name: 'Dockerfile' }, dockerfile);
  packing.finalize();
  yield* packing as unknown as AsyncIterable<Uint8Array>;
}

test('joins with only a URL and a token, builds with what the API provides, and exits when drained', async () => {
  const worker = startWorker(...joining(), '--slots', '3', '--label', 'place=far', '--exit');
  await worker.says('kiln worker: joined');
  const [host] = await client().hosts();
  expect(host).toMatchObject({ name: 'far', state: 'ready', slots: 3, labels: { place: 'far' }, driver: 'docker' });
  expect(host?.disk?.totalBytes).toBeGreaterThan(0);
  const dockerfile = `FROM ${BASE} AS build\nRUN --mount=type=secret,id=s cp /run/secrets/s /out\nFROM scratch\nCOPY --from=build /out /out\n`;
  const submitted = await client().submit(
    {
      source: { type: 'upload', name: 'app' },
      output: { type: 'artifact' },
      hostLabels: { place: 'far' },
      secrets: { s: 'sealed until here' },
    },
    { context: { open: () => tarOf(dockerfile), repeatable: true } },
  );
  const build = await client().waitForEnd(submitted.id);
  expect(build).toMatchObject({ state: 'succeeded', host: 'far' });
  const parts: Uint8Array[] = [];
  for await (const part of (await client().artifact(build.id)).body) parts.push(part);
  expect(Buffer.concat(parts).toString('latin1')).toContain('sealed until here');

  await client().drainHost('far');
  expect(await worker.exit).toBe(0);
  expect(worker.said).toContain('far is drained; leaving');
  expect(await client().hosts()).toEqual([]);
  expect(await readFile(join(dir, 'data', 'worker.log'), 'utf8')).not.toMatch(/a-join-token|AQEBAQEB/);
});

test('pulls and pushes with the logins of the machine on which kiln build runs, which are gone with the build', async () => {
  await using registry = await startPrivateRegistry();
  const { host, username, password } = registry;
  const [tag, other] = [`${host}/team/app:1`, `${host}/team/app:2`];
  onTestFinished(() => removeImages([tag, other]));
  const home = join(dir, 'home');
  await mkdir(join(home, '.docker'), { recursive: true });
  await writeFile(join(home, '.docker/config.json'), JSON.stringify({ credHelpers: { [host]: 'test' } }));
  await writeFile(
    join(home, 'docker-credential-test'),
    `#!/bin/sh\n[ "$1 $(cat)" = 'get ${host}' ] && echo '{"ServerURL":"${host}","Username":"${username}","Secret":"${password}"}'\n`,
    { mode: 0o755 },
  );
  const build = async (dockerfile: string, ...flags: string[]) => {
    await writeFile(join(home, 'Dockerfile'), dockerfile);
    const io = fakeIo({ cwd: home, env: { ...pool.env, HOME: home, PATH: `${home}:${process.env.PATH}` } });
    const code = await runCli(['build', '--push', ...flags, '.'], io);
    const [view] = (await client().list({ limit: 1 })).builds;
    expect(io.stderr.text + JSON.stringify(view)).not.toContain(password);
    return { code, err: io.stderr.text };
  };
  const worker = startWorker(...joining());
  await worker.says('kiln worker: joined');

  const app = `FROM scratch\nCOPY Dockerfile /${host}`;
  expect(await build(app, '-t', tag, '--no-client-logins')).toMatchObject({
    code: 1,
    err: expect.stringContaining(`registry ${host} requires a login, and the build had none: run docker login ${host}`),
  });
  expect(await build(app, '-t', tag)).toMatchObject({ code: 0 });
  expect(await registry.tags('team/app')).toEqual(['1']);

  await removeImages([tag]);
  const pull = `FROM ${BASE} AS run\nARG SHOWN\nCOPY --from=${tag} /${host} /f\nRUN cat /f; echo "shown: $SHOWN"\nFROM scratch\nCOPY --from=run /f /f`;
  const pulled = await build(
    pull,
    '-t',
    other,
    '--no-cache',
    '--build-arg',
    `SHOWN=${Buffer.from(password).toString('base64')}`,
  );
  expect(pulled).toMatchObject({ code: 0, err: expect.stringContaining('shown: ***') });
  expect(await pool.state.redis.keys('*:logins')).toEqual([]);
});

test('exits with 0 when its host is removed, so that nothing restarts it, and at SIGTERM', async () => {
  const removed = startWorker(...joining());
  await removed.says('kiln worker: joined');
  await client().removeHost('far');
  expect(await removed.exit).toBe(0);
  expect(removed.said).toContain('far was removed from the pool; leaving');

  const stopped = startWorker(...joining());
  await stopped.says('kiln worker: joined');
  await stopped.stop();
  expect(await stopped.exit).toBe(0);
  expect(await client().hosts()).toEqual([]);
});

test('joins a kiln up that listens for workers, over TCP with a password', async () => {
  const port = await freePort();
  const data = join(dir, 'up');
  const listen = ['--listen-workers', `127.0.0.1:${port}`];
  const up = new Kiln('up', '--data-dir', data, '--port', '0', '--name', 'near', '--slots', '1', ...listen);
  await up.says('kiln up: ready');
  expect(up.said).toContain(`token in ${data}/join-token; workers find Redis at 127.0.0.1:${port}`);
  const { url, token } = JSON.parse(await readFile(join(data, 'client.json'), 'utf8')) as Record<string, string>;
  const joinToken = (await readFile(join(data, 'join-token'), 'utf8')).trim();
  const { redisUrl } = await new KilnClient({ url: url ?? '', token: joinToken }).join('far');
  expect(redisUrl).toMatch(new RegExp(`^redis://:[\\w-]{40,}@127\\.0\\.0\\.1:${port}$`));
  const worker = startWorker('--join', url ?? '', '--token-file', join(data, 'join-token'), '--name', 'far');
  await worker.says('kiln worker: joined');
  const hosts = await new KilnClient({ url: url ?? '', token }).hosts();
  expect(hosts.map(({ name, state }) => [name, state])).toEqual([
    ['far', 'ready'],
    ['near', 'ready'],
  ]);
  await worker.stop();
  await up.stop();
  expect([await worker.exit, await up.exit]).toEqual([0, 0]);
});

describe('exits with 1 and reports', () => {
  const run = async (args: string[]) => {
    const at = fakeIo({ env: { HOME: dir } });
    const code = await runCli(['worker', ...args, '--data-dir', join(dir, 'data')], at);
    return { code, err: at.stderr.text };
  };

  test('a wrong token, and a user’s token', async () => {
    const wrong = await run(['--join', pool.api.url, '--token', 'nope']);
    expect(wrong).toMatchObject({
      code: 1,
      err: expect.stringContaining('refused the join token: the bearer token is unknown'),
    });
    const users = await run(['--join', pool.api.url, '--token', pool.token]);
    expect(users).toMatchObject({ code: 1, err: expect.stringContaining('only a worker may do this') });
  });

  test('an API that can’t be reached', async () => {
    const url = pool.api.url;
    await pool.api.close();
    const { code, err } = await run(['--join', url, '--token', pool.joinToken]);
    expect(code).toBe(1);
    expect(err).toContain(`kiln worker: ${url} can't be reached: `);
  });

  test('a name that another machine uses', async () => {
    await pool.report('far');
    const { code, err } = await run(joining());
    expect(code).toBe(1);
    expect(err).toContain('a worker of another machine uses the name far: choose another name (--name or');
  });

  test('a Redis that can’t be reached', async () => {
    await using elsewhere = await RealPool.start({ redisUrl: 'unix:///nowhere/redis.sock' });
    const { code, err } = await run(['--join', elsewhere.api.url, '--token', elsewhere.joinToken]);
    expect(code).toBe(1);
    expect(err).toMatch(/but its Redis can’t be used from here \(Redis at \/nowhere\/redis.sock/);
  });
});
