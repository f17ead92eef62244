import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`, which engines take without TLS. */
  readonly host: string;
  /** `name:tag` of what has been pushed. */
  readonly tags: ReadonlySet<string>;
  /** Requests for a manifest of this tag get no answer. */
  hold(tag: string): void;
  readonly held: readonly string[];
  /** Uploads to this repository are refused, as a registry does without the right to push. */
  refuse(name: string): void;
}

/** As much of the OCI distribution API, in memory, as pushing and pulling takes. */
export async function startRegistry(): Promise<TestRegistry> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, { type: string; body: Buffer }>();
  const tags = new Set<string>();
  const withheld = new Set<string>();
  const held: string[] = [];
  const refused = new Set<string>();
  const digestOf = (body: Buffer) => `sha256:${createHash('sha256').update(body).digest('hex')}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://registry');
    const reply = (status: number, headers: Record<string, string> = {}, body?: Buffer) => {
      response.writeHead(status, { 'content-length': String(body?.length ?? 0), ...headers });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    const body = await readAll(request);
    const blob = /\/blobs\/(sha256:[0-9a-f]+)$/.exec(url.pathname)?.[1];
    const manifest = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(url.pathname);
    if (url.pathname === '/v2/') return reply(200);
    const into = /^\/v2\/(.+)\/blobs\/uploads\//.exec(url.pathname)?.[1];
    if (into !== undefined && refused.has(into)) {
      const error = { code: 'DENIED', message: 'requested access to the resource is denied' };
      return reply(403, { 'content-type': 'application/json' }, Buffer.from(JSON.stringify({ errors: [error] })));
    }
    if (/\/blobs\/uploads\/$/.test(url.pathname)) return reply(202, { location: `${url.pathname}${randomUUID()}` });
    if (/\/blobs\/uploads\/./.test(url.pathname) && request.method === 'PUT') {
      blobs.set(url.searchParams.get('digest') ?? '', body);
      return reply(201, { 'docker-content-digest': digestOf(body) });
    }
    if (blob) {
      const found = blobs.get(blob);
      return found ? reply(200, { 'docker-content-digest': blob }, found) : reply(404);
    }
    if (!manifest) return reply(404);
    const [, name = '', reference = ''] = manifest;
    if (request.method === 'PUT') {
      if (withheld.has(reference)) return void held.push(reference);
      const stored = { type: request.headers['content-type'] ?? '', body };
      manifests.set(`${name}:${reference}`, stored).set(`${name}:${digestOf(body)}`, stored);
      if (!reference.startsWith('sha256:')) tags.add(`${name}:${reference}`);
      return reply(201, { 'docker-content-digest': digestOf(body) });
    }
    const found = manifests.get(`${name}:${reference}`);
    if (!found) return reply(404);
    return reply(200, { 'content-type': found.type, 'docker-content-digest': digestOf(found.body) }, found.body);
  }

  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    tags,
    held,
    hold: (tag) => withheld.add(tag),
    refuse: (name) => refused.add(name),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
