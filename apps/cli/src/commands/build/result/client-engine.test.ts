import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { TempDir } from '../../../testing/temp-dir.ts';
import { checkEngine, loadImage } from './client-engine.ts';

async function* image(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('an ');
  yield Buffer.from('image');
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('an ');
  throw new Error('the artifact arrived damaged');
}

async function tempDir(): Promise<TempDir> {
  const dir = await TempDir.with({});
  onTestFinished(() => dir[Symbol.asyncDispose]());
  return dir;
}

/** Starts an engine that answers with `answer`; returns its environment, without the command docker, and what it was asked. */
async function engineWith(answer: { status?: number; body?: string }) {
  const { path } = await tempDir();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    void buffer(request).then(
      (body) => {
        asked.push(`${request.method} ${request.url} ${body}`);
        response.writeHead(answer.status ?? 200).end(answer.body);
      },
      () => asked.push('cut off'),
    );
  });
  const socket = join(path, 'docker.sock');
  await once(server.listen(socket), 'listening');
  onTestFinished(() => void server.close());
  return { env: { PATH: path, DOCKER_HOST: `unix://${socket}` }, asked };
}

/** Makes a command docker that writes its arguments and input into files. */
async function dockerCommand(end: string) {
  const { path } = await tempDir();
  await writeFile(
    join(path, 'docker'),
    `#!/bin/sh\necho "$DOCKER_HOST $@" > '${path}/args'\n/bin/cat > '${path}/input'\n${end}\n`,
  );
  await chmod(join(path, 'docker'), 0o755);
  const read = (name: string) => readFile(join(path, name), 'utf8');
  return { env: { PATH: path, DOCKER_HOST: 'ssh://far' }, read };
}

describe('this machine’s engine', () => {
  it('gets the image from the command docker, which is told the context', async () => {
    const { env, read } = await dockerCommand('echo Loaded');
    await checkEngine({}, env);
    expect(await read('args')).toBe('ssh://far version --format {{.Server.Version}}\n');
    await loadImage({ context: 'other' }, env, image());
    expect(await read('args')).toBe('ssh://far --context other load --quiet\n');
    expect(await read('input')).toBe('an image');
  });

  it('gets the image from its API if there is no command docker', async () => {
    const { env, asked } = await engineWith({ body: '{"stream":"Loaded image"}' });
    await checkEngine({}, env);
    await loadImage({}, env, image());
    expect(asked).toEqual(['GET /_ping ', 'POST /images/load?quiet=1 an image']);
  });

  it('is reported with its own words if it refuses the image', async () => {
    const failing = await dockerCommand('echo no room >&2; exit 3');
    await expect(loadImage({}, failing.env, image())).rejects.toThrow(
      'could not be loaded into this machine’s engine: no room',
    );
    await expect(checkEngine({}, failing.env)).rejects.toThrow(
      '--load needs a Docker Engine on this machine: no room\n--load=host',
    );
    for (const answer of [
      { body: '{"errorDetail":{},"error":"no room"}' },
      { status: 500, body: '{"message":"no room"}' },
    ]) {
      const { env } = await engineWith(answer);
      await expect(loadImage({}, env, image())).rejects.toThrow(
        'could not be loaded into this machine’s engine: no room',
      );
    }
  });

  it('is not blamed for an image that arrives damaged, and does not get its end', async () => {
    const { env, asked } = await engineWith({});
    await expect(loadImage({}, env, broken())).rejects.toThrow(/^the artifact arrived damaged$/);
    const docker = await dockerCommand('');
    await expect(loadImage({}, docker.env, broken())).rejects.toThrow(/^the artifact arrived damaged$/);
    expect(asked.filter((line) => line.startsWith('POST'))).toEqual([]);
  });

  it.each([
    [{ DOCKER_HOST: 'unix:///nowhere/docker.sock' }, 'cannot connect to the Docker daemon'],
    [{ DOCKER_HOST: 'ssh://far' }, 'DOCKER_HOST=ssh://far needs the command docker'],
    [{ DOCKER_CONTEXT: 'far' }, 'the Docker context far needs the command docker'],
    [{ DOCKER_HOST: 'tcp://far:1', DOCKER_TLS_VERIFY: '1' }, 'DOCKER_HOST=tcp://far:1 needs the command docker'],
  ])('is missed with %j', async (env, message) => {
    const { path } = await tempDir();
    await expect(checkEngine({}, { PATH: path, ...env })).rejects.toThrow(message);
  });
});
