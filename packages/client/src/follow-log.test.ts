import type { ServerResponse } from 'node:http';
import type { LogRecord } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { KilnClient } from './client.ts';
import { KilnProblem, KilnUnreachable } from './errors.ts';
import type { ClientDeps } from './retry.ts';
import { serve } from './testing/serve.ts';

const BUILD = '01kaqz6w5h0123456789abcdef';

/** Time that passes only by sleeping. */
function stillDeps(): ClientDeps & { slept: number[] } {
  const slept: number[] = [];
  return {
    slept,
    sleep: async (ms) => {
      slept.push(ms);
    },
    random: () => 0.5,
    now: () => slept.reduce((sum, ms) => sum + ms, 0),
  };
}

function event(id: string, record: LogRecord): string {
  return `id: ${id}\nevent: ${record.type}\ndata: ${JSON.stringify({ id, ...record })}\n\n`;
}

const note = (message: string): LogRecord => ({ t: 1, type: 'note', message });
const end = (state: 'succeeded' | 'queued'): LogRecord => ({ t: 2, type: 'end', state });

function stream(res: ServerResponse, text: string): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(text);
}

async function idsOf(url: string, options = {}, deps = stillDeps()): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of new KilnClient({ url, deps }).followLog(BUILD, options)) ids.push(id);
  return ids;
}

describe('followLog', () => {
  it('resumes after the last record when the connection breaks, without gap or repeat', async () => {
    const asked: (string | undefined)[] = [];
    const url = await serve(
      (req, res) => {
        asked.push(req.headers['last-event-id'] as string | undefined);
        stream(res, event('1.1', note('a')) + event('1.2', note('b')) + event('1.3', note('c')).slice(0, 20));
        setImmediate(() => res.destroy());
      },
      (req, res) => {
        const last = req.headers['last-event-id'] as string | undefined;
        asked.push(last);
        // What arrived just before the connection broke may be lost with it.
        const first = last === undefined ? event('1.1', note('a')) : '';
        // This server resumes too early: the repeat must not get through.
        stream(res, first + event('1.2', note('b')) + event('1.3', note('c')) + event('1.4', end('succeeded')));
        res.end();
      },
    );
    expect(await idsOf(url)).toEqual(['1.1', '1.2', '1.3', '1.4']);
    expect(asked[0]).toBeUndefined();
    expect(['1.1', '1.2', undefined]).toContain(asked[1]);
  });

  it('continues into the next attempt and stops at the final end', async () => {
    const url = await serve((_req, res) => {
      stream(res, event('1.1', end('queued')) + event('2.1', note('again')) + event('2.2', end('succeeded')));
    });
    expect(await idsOf(url)).toEqual(['1.1', '2.1', '2.2']);
  });

  it('stops at the end of the requested attempt', async () => {
    const url = await serve((_req, res) => stream(res, event('1.1', note('a')) + event('1.2', end('queued'))));
    expect(await idsOf(url, { attempt: 1 })).toEqual(['1.1', '1.2']);
  });

  it('starts after the given record', async () => {
    const url = await serve((req, res) => {
      stream(res, event(req.headers['last-event-id'] === '1.7' ? '1.8' : '9.9', end('succeeded')));
    });
    expect(await idsOf(url, { from: '1.7' })).toEqual(['1.8']);
  });

  it('joins events that are cut anywhere, also inside a character', async () => {
    const whole = Buffer.from(event('1.1', note('größer 漢字')) + event('1.2', end('succeeded')));
    const url = await serve((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const byte of whole) res.write(Buffer.of(byte));
    });
    const messages: string[] = [];
    for await (const record of new KilnClient({ url }).followLog(BUILD)) {
      if (record.type === 'note') messages.push(record.message);
    }
    expect(messages).toEqual(['größer 漢字']);
  });

  it('backs off while the API doesn’t respond, then throws KilnUnreachable', async () => {
    const deps = stillDeps();
    const url = await serve((_req, res) => res.destroy());
    await expect(idsOf(url, { giveUpAfterMs: 60_000 }, deps)).rejects.toBeInstanceOf(KilnUnreachable);
    expect(deps.slept.slice(0, 4)).toEqual([150, 300, 600, 1200]);
    expect(Math.max(...deps.slept)).toBeLessThanOrEqual(10_000);
    expect(deps.now()).toBeLessThanOrEqual(60_000);
  });

  it('reconnects when a connection stays silent', async () => {
    const url = await serve(
      (_req, res) => stream(res, event('1.1', note('a'))),
      (_req, res) => stream(res, event('1.2', end('succeeded'))),
    );
    expect(await idsOf(url, { silenceMs: 50 })).toEqual(['1.1', '1.2']);
  });

  it('does not retry when the API refuses', async () => {
    const url = await serve((_req, res) => {
      const body = { type: 'about:blank', title: 't', status: 404, code: 'build_not_found', detail: 'no such build' };
      res.writeHead(404).end(JSON.stringify(body));
    });
    const error = await idsOf(url).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(KilnProblem);
    expect((error as KilnProblem).problem).toMatchObject({ code: 'build_not_found', errors: [] });
  });

  it('retries when the API is not ready yet', async () => {
    const url = await serve(
      (_req, res) => void res.writeHead(503).end('starting'),
      (_req, res) => stream(res, event('1.1', end('succeeded'))),
    );
    expect(await idsOf(url)).toEqual(['1.1']);
  });

  it('stops when the caller’s signal aborts', async () => {
    const leave = new AbortController();
    const url = await serve((_req, res) => stream(res, event('1.1', note('a'))));
    const log = new KilnClient({ url }).followLog(BUILD, { signal: leave.signal });
    await log.next();
    leave.abort(new Error('enough'));
    await expect(log.next()).rejects.toThrow('enough');
  });

  it('closes the connection when the reader stops reading', async () => {
    const closed = Promise.withResolvers<void>();
    const url = await serve((_req, res) => {
      res.on('close', () => closed.resolve());
      stream(res, event('1.1', note('a')));
    });
    for await (const _record of new KilnClient({ url }).followLog(BUILD)) break;
    await closed.promise;
  });

  it('ends immediately when the record it resumes from was the last one', async () => {
    const url = await serve((_req, res) => res.writeHead(204).end());
    expect(await Array.fromAsync(new KilnClient({ url }).followLog(BUILD, { from: '1.9' }))).toEqual([]);
  });
});
