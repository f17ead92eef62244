import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { KilnClient } from './client.ts';
import { KilnBadAnswer, KilnUnreachable } from './errors.ts';
import { serve } from './testing/serve.ts';
import { Transport } from './transport.ts';

const hosts = JSON.stringify({ hosts: [] });

describe('the connection of a client', () => {
  it('is kept open for the next call', async () => {
    const ports = new Set<number | undefined>();
    const url = await serve((req, res) => {
      ports.add(req.socket.remotePort);
      res.end(hosts);
    });
    const client = new KilnClient({ url });
    for (let call = 0; call < 3; call += 1) expect(await client.hosts()).toEqual([]);
    expect(ports.size).toBe(1);
  });

  it('is opened again if the server closed it between two calls', async () => {
    let calls = 0;
    const url = await serve((req, res) => {
      calls += 1;
      // The second request comes on the connection of the first, and is never answered there.
      if (calls === 2) req.socket.resetAndDestroy();
      else res.end(hosts);
    });
    const client = new KilnClient({ url });
    await client.hosts();
    expect(await client.hosts()).toEqual([]);
    expect(calls).toBe(3);
  });

  it('reports an answer that breaks off in the middle', async () => {
    const url = await serve((_req, res) => {
      res.writeHead(200, { 'content-length': '100' });
      res.write('{"hosts":', () => res.destroy());
    });
    const error = await new KilnClient({ url }).hosts().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(KilnUnreachable);
  });

  it.each([
    ['a text', () => '{}'],
    ['a stream', () => streamOf('{}')],
  ])('reports that a request with %s was sent while the server still works on its answer', async (_what, body) => {
    const sent = Promise.withResolvers<void>();
    const url = await serve(async (_req, res) => {
      await sent.promise;
      res.end('{}');
    });
    const call = { method: 'POST', body: body(), onSent: sent.resolve } as const;
    expect((await new Transport(url, undefined).call('/', call)).status).toBe(200);
  });

  it('throws the signal’s reason, before the answer and within it', async () => {
    for (const headers of [false, true]) {
      const leave = new AbortController();
      const url = await serve((_req, res) => {
        if (headers) res.writeHead(200).write('{');
        setImmediate(() => leave.abort(new Error('enough')));
      });
      await expect(new KilnClient({ url }).list({ signal: leave.signal })).rejects.toThrow('enough');
    }
  });
});

describe('a redirect', () => {
  it('is followed by a GET within the origin', async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve((req, res) => {
      seen.push(req.url);
      if (req.url === '/v1/hosts') res.writeHead(308, { location: '/kiln/v1/hosts' }).end();
      else res.end(hosts);
    });
    expect(await new KilnClient({ url }).hosts()).toEqual([]);
    expect(seen).toEqual(['/v1/hosts', '/kiln/v1/hosts']);
  });

  it('to another origin is an error that names it, and the token isn’t sent there', async () => {
    let tokens = 0;
    const other = await serve((req, res) => {
      if (req.headers.authorization !== undefined) tokens += 1;
      res.end(hosts);
    });
    const url = await serve((_req, res) => {
      res.writeHead(302, { location: `${other}/v1/hosts` }).end();
    });
    const error = await new KilnClient({ url, token: 'secret' }).hosts().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(KilnBadAnswer);
    expect(String(error)).toContain(`redirects to ${other}/v1/hosts`);
    expect(tokens).toBe(0);
  });

  it('that never ends is an error', async () => {
    const url = await serve((_req, res) => {
      res.writeHead(302, { location: '/v1/hosts' }).end();
    });
    await expect(new KilnClient({ url }).hosts()).rejects.toBeInstanceOf(KilnBadAnswer);
  });
});

it('a request doesn’t load fetch, which takes longer than the request', () => {
  const client = fileURLToPath(new URL('./client.ts', import.meta.url));
  const script = `
    const { KilnClient } = await import(${JSON.stringify(client)});
    const error = await new KilnClient({ url: 'http://127.0.0.1:9' }).hosts().catch((thrown) => thrown);
    console.log(error.name, process.moduleLoadList.filter((name) => name.includes('undici')).length);`;
  expect(execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' }).trim()).toBe(
    'KilnUnreachable 0',
  );
});

async function* streamOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
