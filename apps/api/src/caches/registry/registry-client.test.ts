import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ImageReference, parseReference } from '@kiln/domain';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RegistryClient } from './registry-client.ts';

const LOGIN = { username: 'robot', password: 'opensesame-4711' };
let server: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const host = () => `127.0.0.1:${(server.address() as AddressInfo).port}`;
const reference = () => parseReference(`${host()}/team/app:cache`) as ImageReference;
const client = () => new RegistryClient(fetch, LOGIN);

beforeAll(async () => {
  server = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test('gets a token where the registry names a server for them, and deletes with one for that', async () => {
  const asked: string[] = [];
  answer = ({ method, url = '', headers }, response) => {
    asked.push(`${method} ${url} ${headers.authorization ?? '-'}`);
    const { pathname, searchParams } = new URL(url, 'http://registry');
    if (pathname === '/token') return void response.end(JSON.stringify({ token: `for-${searchParams.get('scope')}` }));
    const scope = `repository:team/app:${method === 'DELETE' ? 'delete' : 'pull'}`;
    if (headers.authorization === `Bearer for-${scope}`) {
      const manifests = [{ mediaType: 'application/vnd.buildkit.cacheconfig.v0' }];
      return void response.writeHead(method === 'DELETE' ? 202 : 200).end(JSON.stringify({ manifests }));
    }
    const challenge = `Bearer realm="http://${host()}/token",service="registry",scope="${scope}"`;
    response.writeHead(401, { 'www-authenticate': challenge }).end();
  };
  const manifest = await client().manifest(reference());
  expect(manifest).toEqual({ isCache: true, digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) });
  expect(await client().delete(reference(), manifest?.digest ?? '')).toBe(true);
  const basic = `Basic ${Buffer.from('robot:opensesame-4711').toString('base64')}`;
  expect(asked.slice(0, 3)).toEqual([
    'GET /v2/team/app/manifests/cache -',
    `GET /token?service=registry&scope=repository%3Ateam%2Fapp%3Apull ${basic}`,
    'GET /v2/team/app/manifests/cache Bearer for-repository:team/app:pull',
  ]);
});

test.each<[string, (response: ServerResponse) => void, RegExp]>([
  ['500', (response) => response.writeHead(500).end('busy'), /: got status 500 \(busy\)$/],
  ['403', (response) => response.writeHead(403).end(), /: got status 403$/],
  ['401 without a way to log in', (response) => response.writeHead(401).end(), /: got status 401$/],
  [
    'half an answer',
    (response) => response.writeHead(200, { 'content-length': '100' }).write('{', () => response.destroy()),
    /broke off/,
  ],
  ['an answer without an end', (response) => response.end(Buffer.alloc(5 * 1024 * 1024)), /is too long$/],
])('reports a registry that answers %s', async (_, reply, message) => {
  answer = (_request, response) => reply(response);
  await expect(client().manifest(reference())).rejects.toThrow(message);
});
