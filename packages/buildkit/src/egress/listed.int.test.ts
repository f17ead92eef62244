import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GitServer } from '@kiln/git/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab, type TestBuild } from '../testing/lab.ts';

let server: Server;
let git: GitServer;
let commit: string;
let open: Lab;
let own: Lab;
let other: string;
const asked: string[] = [];
const host = () => `127.0.0.1:${(server.address() as AddressInfo).port}`;

beforeAll(async () => {
  server = createServer(({ url = '' }, response) => {
    asked.push(url);
    response.end('secret');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  git = await GitServer.start();
  commit = git.commit({ Dockerfile: `# ${Math.random()}\nFROM scratch\nCOPY Dockerfile /` });
  other = `localhost:${new URL(git.origin).port}`;
  [open, own] = await Promise.all([lab(), lab({ egress: { mode: 'listed', hosts: ['kiln.local', host()] } })]);
});
afterAll(async () => {
  await Promise.all([own, open].map((one) => one[Symbol.asyncDispose]()));
  await git[Symbol.asyncDispose]();
  server.close();
});

async function run({ builder }: Lab, build: TestBuild): Promise<{ code: string; message: string }> {
  const { end, failure } = await begin(builder, build).outcome;
  return { code: failure?.code ?? end, message: failure?.message ?? '' };
}
/** A new URL each time, because the engine caches them. */
const add = (url: string) => ({ dockerfile: `FROM scratch\nADD ${url}?${Math.random()} /x` });

test('without a list, the engine itself fetches an ADD, even from the machine’s loopback', async () => {
  asked.length = 0;
  expect((await run(open, add(`http://${host()}/file`))).code).toBe('succeeded');
  expect(asked).toHaveLength(1);
});

describe('with a list of servers, the engine', () => {
  test('fetches from these', async () => {
    expect((await run(own, add(`http://${host()}/file`))).code).toBe('succeeded');
    expect((await run(own, { dockerfile: `${FROM}\nRUN true # ${Math.random()}` })).code).toBe('succeeded');
  });

  test.each([
    ['another port', () => `http://127.0.0.1:1/file`],
    ['another name of the same machine', () => `http://localhost:${new URL(`http://${host()}`).port}/file`],
    ['a name before which a listed one stands as a user', () => `http://${host()}@127.0.0.2:1/file`],
    ['a listed name as the user of another server', () => `http://${host().replace(':', '%3A')}@127.0.0.2:1/file`],
    ['another protocol', () => `https://metadata.google.internal/file`],
  ])('fetches nothing from %s', async (_, url) => {
    asked.length = 0;
    expect(await run(own, add(url()))).toEqual({
      code: 'egress_refused',
      message: expect.stringContaining('was not fetched: its server is not listed in the host’s KILN_BUILD_EGRESS'),
    });
    expect(asked).toEqual([]);
  });

  test('fetches no base image and no repository from another server', async () => {
    const image = await run(own, { dockerfile: 'FROM 127.0.0.1:1/base' });
    expect(image).toMatchObject({
      code: 'egress_refused',
      message: expect.stringContaining('the image 127.0.0.1:1/base'),
    });
    const repository = await run(own, { dockerfile: `FROM scratch\nADD http://${other}/app.git#${commit} /x` });
    expect(repository).toMatchObject({ code: 'egress_refused', message: expect.stringContaining('the repository') });
  });

  test('fetches the build’s own repository, although its server isn’t listed', async () => {
    const source = { type: 'git', url: git.url(), commit } as const;
    expect(await run(own, { source })).toEqual({ code: 'succeeded', message: '' });
  });

  test('imports no caches from another server, and exports none to it', async () => {
    asked.length = 0;
    const at = `localhost:${new URL(`http://${host()}`).port}`;
    for (const field of ['from', 'to']) {
      const cache = { [field]: [{ type: 'registry', ref: `${at}/app:cache` }] };
      expect(await run(own, { dockerfile: 'FROM scratch', spec: { cache } })).toEqual({
        code: 'egress_refused',
        message: expect.stringContaining(`cache.${field}[0]: got the server "${at}"`),
      });
    }
    expect(asked).toEqual([]);
  });

  test('fetches no frontend from another server', async () => {
    const build = await run(own, { dockerfile: '# syntax=127.0.0.1:1/frontend\nFROM scratch' });
    expect(build.code).toBe('egress_refused');
  });
});
