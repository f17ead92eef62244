import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A push of a manifest with a tag. */
export interface TestPush {
  /** `name:tag`. */
  readonly tag: string;
  readonly digest: string;
}

export interface TestRegistry extends AsyncDisposable {
  /** `address:port`; engines use those of 127.0.0.0/8 without TLS. */
  readonly host: string;
  /** All pushed `name:tag`. */
  readonly tags: ReadonlySet<string>;
  /** All pushes, in order. */
  readonly pushes: readonly TestPush[];
  /** Holds pushes of this tag: their manifests aren't stored, and they get no answer, until `release`. */
  hold(tag: string): void;
  /** Stores and answers the held pushes of this tag whose clients are still waiting. */
  release(tag: string): void;
  /** All pushes that have been held. */
  readonly held: readonly TestPush[];
  /** Returns how many held pushes of this tag are still waiting for an answer: their connections are open. */
  waiting(tag: string): number;
  /** Refuses uploads to this repository, like a registry without the permission to push. */
  refuse(name: string): void;
}

/** Starts an in-memory registry with the part of the OCI distribution API that pushing and pulling needs. */
export async function startRegistry({ listenAt = '127.0.0.1' } = {}): Promise<TestRegistry> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, { type: string; body: Buffer }>();
  const tags = new Set<string>();
  const pushes: TestPush[] = [];
  const withheld = new Map<string, { response: ServerResponse; take(): void }[]>();
  const held: TestPush[] = [];
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
    const puts = request.method === 'PUT' ? manifest?.[1] : undefined;
    const into = /^\/v2\/(.+)\/blobs\/uploads\//.exec(url.pathname)?.[1] ?? puts;
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
      const digest = digestOf(body);
      const push = { tag: `${name}:${reference}`, digest };
      const take = () => {
        const stored = { type: request.headers['content-type'] ?? '', body };
        manifests.set(`${name}:${reference}`, stored).set(`${name}:${digest}`, stored);
        if (!reference.startsWith('sha256:')) {
          tags.add(`${name}:${reference}`);
          pushes.push(push);
        }
        reply(201, { 'docker-content-digest': digest });
      };
      const waiting = withheld.get(reference);
      if (!waiting) return take();
      held.push(push);
      waiting.push({ response, take });
      return;
    }
    const found = manifests.get(`${name}:${reference}`);
    if (!found) return reply(404);
    return reply(200, { 'content-type': found.type, 'docker-content-digest': digestOf(found.body) }, found.body);
  }

  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, listenAt);
  await once(server, 'listening');
  return {
    host: `${listenAt}:${(server.address() as AddressInfo).port}`,
    tags,
    pushes,
    held,
    hold(tag) {
      if (!withheld.has(tag)) withheld.set(tag, []);
    },
    release(tag) {
      const waiting = withheld.get(tag) ?? [];
      withheld.delete(tag);
      for (const { response, take } of waiting) if (!response.destroyed) take();
    },
    waiting: (tag) => (withheld.get(tag) ?? []).filter(({ response }) => !response.destroyed).length,
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
