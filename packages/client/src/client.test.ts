import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { KilnClient } from './client.ts';
import { KilnBadAnswer, KilnProblem, KilnUnreachable } from './errors.ts';
import type { ClientDeps } from './retry.ts';
import { closeServers, serve } from './testing/serve.ts';
import type { ContextUpload } from './upload.ts';

const BUILD = {
  id: '01kaqz6w5h0123456789abcdef',
  state: 'queued',
  revision: 1,
  repo: 'app',
  team: 'default',
  createdAt: '2026-01-02T03:04:05.000Z',
  queuedAt: '2026-01-02T03:04:05.000Z',
  attempts: [],
  request: { source: { type: 'upload', name: 'app' }, secrets: [] },
  links: { self: '/', logs: '/l', placement: '/p' },
};
const REQUEST = { source: { type: 'upload' as const, name: 'app' } };

function deps(): ClientDeps {
  let now = 0;
  return {
    sleep: async (ms) => {
      now += ms;
    },
    random: () => 0,
    now: () => now,
  };
}

const answer = (res: ServerResponse, body: unknown, status = 202) =>
  void res.writeHead(status).end(JSON.stringify(body));

async function bodyOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe('KilnClient.submit', () => {
  it('sends the same idempotency key with every try', async () => {
    const keys: unknown[] = [];
    const url = await serve((req, res) => {
      keys.push(req.headers['idempotency-key']);
      if (keys.length === 1) req.socket.destroy();
      else if (keys.length === 2) res.writeHead(503).end();
      else answer(res, BUILD);
    });
    const client = new KilnClient({ url, deps: deps() });
    expect((await client.submit(REQUEST)).id).toBe(BUILD.id);
    await client.submit(REQUEST);
    expect(new Set(keys.slice(0, 3)).size).toBe(1);
    expect(new Set(keys).size).toBe(2);
  });

  it('sends request and context as multipart, the request first', async () => {
    const seen = Promise.withResolvers<{ type: string; body: string }>();
    const url = await serve(async (req, res) => {
      seen.resolve({ type: String(req.headers['content-type']), body: (await bodyOf(req)).toString() });
      answer(res, BUILD);
    });
    const sent: number[] = [];
    const context: ContextUpload = {
      open: async function* () {
        yield Buffer.from('tar-1');
        yield Buffer.from('tar-2');
      },
      repeatable: true,
      onProgress: (bytes) => sent.push(bytes),
    };
    await new KilnClient({ url, token: 't' }).submit(REQUEST, { context });
    const { type, body } = await seen.promise;
    const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(type)?.[1];
    expect(body.split(`--${boundary}`)).toEqual([
      '',
      `\r\nContent-Disposition: form-data; name="request"\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(REQUEST)}\r\n`,
      '\r\nContent-Disposition: form-data; name="context"; filename="context.tar"\r\nContent-Type: application/x-tar\r\n\r\ntar-1tar-2\r\n',
      '--\r\n',
    ]);
    expect(sent).toEqual([0, 5, 10]);
  });

  it('streams a large context to a slow server in constant memory', async () => {
    let received = 0;
    const url = await serve(async (req, res) => {
      for await (const chunk of req) {
        received += (chunk as Buffer).length;
        await new Promise((resolve) => setImmediate(resolve));
      }
      answer(res, BUILD);
    });
    const chunkBytes = 1024 * 1024;
    const chunks = 256;
    let taken = 0;
    let most = 0;
    const context: ContextUpload = {
      repeatable: true,
      open: async function* () {
        for (let i = 0; i < chunks; i += 1) {
          yield Buffer.alloc(chunkBytes, i);
          taken += chunkBytes;
          most = Math.max(most, taken - received);
        }
      },
    };
    await new KilnClient({ url }).submit(REQUEST, { context });
    expect(received).toBeGreaterThan(chunks * chunkBytes);
    // Room for what the kernel buffers between the two sockets.
    expect(most).toBeLessThan(32 * chunkBytes);
  });

  it('opens a repeatable context again for a retry, but never one that is not repeatable', async () => {
    let tries = 0;
    const url = await serve((req, res) => {
      tries += 1;
      if (tries % 2 === 1) req.socket.destroy();
      else void bodyOf(req).then(() => answer(res, BUILD));
    });
    let opened = 0;
    const context = (repeatable: boolean): ContextUpload => ({
      repeatable,
      open: async function* () {
        opened += 1;
        yield Buffer.from('x');
      },
    });
    const client = new KilnClient({ url, deps: deps() });
    await client.submit(REQUEST, { context: context(true) });
    expect(opened).toBe(2);
    await expect(client.submit(REQUEST, { context: context(false) })).rejects.toBeInstanceOf(KilnUnreachable);
    expect(opened).toBe(3);
  });

  it('throws the error that reading the context threw', async () => {
    const url = await serve(
      (req, res) =>
        void bodyOf(req).then(
          () => answer(res, BUILD),
          () => {},
        ),
    );
    const context: ContextUpload = {
      repeatable: true,
      // biome-ignore lint/correctness/useYield: it fails before there is anything to yield
      open: async function* () {
        throw new Error('the disk is gone');
      },
    };
    await expect(new KilnClient({ url }).submit(REQUEST, { context })).rejects.toThrow('the disk is gone');
  });

  it('reports a refusal that arrives before the whole context is sent', async () => {
    const url = await serve((_req, res) => {
      res
        .writeHead(413, { connection: 'close' })
        .end(
          JSON.stringify({ type: 'about:blank', title: 't', status: 413, code: 'body_too_large', detail: 'too large' }),
        );
    });
    const context: ContextUpload = {
      repeatable: true,
      open: async function* () {
        for (let i = 0; i < 64; i += 1) yield Buffer.alloc(1024 * 1024);
      },
    };
    const error = await new KilnClient({ url }).submit(REQUEST, { context }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(KilnProblem);
    expect((error as KilnProblem).problem.code).toBe('body_too_large');
  });
});

describe('KilnClient', () => {
  it('distinguishes a confirmed cancel from one that the host has yet to confirm', async () => {
    const statuses = [202, 200];
    const url = await serve((_req, res) => answer(res, BUILD, statuses.shift()));
    const client = new KilnClient({ url });
    expect((await client.cancel(BUILD.id)).confirmed).toBe(false);
    expect((await client.cancel(BUILD.id)).confirmed).toBe(true);
  });

  it('waits for the end of a build across polls and restarts of the API', async () => {
    const answers = [BUILD, undefined, { ...BUILD, state: 'succeeded' }];
    const url = await serve((req, res) => {
      const next = answers.shift();
      if (next) answer(res, next, 200);
      else req.socket.destroy();
    });
    expect(await new KilnClient({ url, deps: deps() }).waitForEnd(BUILD.id)).toMatchObject({ state: 'succeeded' });
  });

  it('ignores unknown fields of a newer API at any depth', async () => {
    const url = await serve((_req, res) =>
      answer(res, { ...BUILD, mood: 'fine', links: { ...BUILD.links, more: '/m' } }, 200),
    );
    const build = await new KilnClient({ url }).get(BUILD.id);
    expect(build.links).toEqual(BUILD.links);
    expect(build).not.toHaveProperty('mood');
  });

  it('throws KilnBadAnswer for an answer that is not a build', async () => {
    const url = await serve((_req, res) => void res.writeHead(200).end('<html>'));
    await expect(new KilnClient({ url }).get(BUILD.id)).rejects.toBeInstanceOf(KilnBadAnswer);
  });

  it('derives a problem code from a proxy’s error page', async () => {
    const url = await serve((_req, res) => void res.writeHead(502).end('<h1>Bad gateway</h1>'));
    const error = await new KilnClient({ url }).hosts().catch((thrown: unknown) => thrown);
    expect((error as KilnProblem).problem).toMatchObject({ status: 502, code: 'unavailable' });
  });

  it('keeps the path of the base URL and sends the token', async () => {
    const seen = Promise.withResolvers<[string | undefined, string | undefined]>();
    const url = await serve((req, res) => {
      seen.resolve([req.url, req.headers.authorization]);
      answer(res, { builds: [] }, 200);
    });
    await new KilnClient({ url: `${url}/kiln/`, token: 'secret' }).list({ limit: 3, repo: 'a b' });
    expect(await seen.promise).toEqual(['/kiln/v1/builds?limit=3&repo=a+b', 'Bearer secret']);
  });

  it('reports the socket’s error code when nothing listens', async () => {
    const url = await serve(() => {});
    await closeServers();
    const error = await new KilnClient({ url }).hosts().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(KilnUnreachable);
    expect((error as KilnUnreachable).code).toBe('ECONNREFUSED');
  });
});

describe('KilnClient’s host methods', () => {
  const HOST = {
    ...{
      name: 'h1',
      state: 'cordoned',
      slots: 2,
      usedSlots: 0,
      labels: {},
      platforms: [],
      trust: ['trusted'],
      driver: 'docker',
      isolation: 'pool',
      oneDomain: false,
    },
    ...{ engineVersion: '1', buildxVersion: '1', builds: [], lastSeenAt: '2026-01-02T03:04:05.000Z' },
  };

  it('send the requests of the contract and return the changed host', async () => {
    const seen: string[] = [];
    const url = await serve(async (req, res) => {
      seen.push(`${req.method} ${req.url} ${(await bodyOf(req)).toString()}`.trim());
      answer(res, HOST, 200);
    });
    const client = new KilnClient({ url });
    const answers = [
      await client.cordonHost('h1'),
      await client.uncordonHost('h1'),
      await client.drainHost('h1'),
      await client.drainHost('h1', { deadlineSeconds: 5 }),
      await client.setHost('h1', { slots: 3, labels: { a: null } }),
      await client.removeHost('h1'),
      await client.removeHost('h/1', { force: true }),
    ];
    expect(answers).toEqual(Array(7).fill(HOST));
    expect(seen).toEqual([
      'POST /v1/hosts/h1/cordon',
      'POST /v1/hosts/h1/uncordon',
      'POST /v1/hosts/h1/drain {}',
      'POST /v1/hosts/h1/drain {"deadlineSeconds":5}',
      'PATCH /v1/hosts/h1 {"slots":3,"labels":{"a":null}}',
      'DELETE /v1/hosts/h1',
      'DELETE /v1/hosts/h%2F1?force=true',
    ]);
  });
});
