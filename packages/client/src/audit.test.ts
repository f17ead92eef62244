import type { ServerResponse } from 'node:http';
import type { AuditEntry } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { KilnClient } from './client.ts';
import { KilnProblem, KilnUnreachable } from './errors.ts';
import { serve } from './testing/serve.ts';

const entry = (n: number): AuditEntry => ({
  ...{ id: `${n}-0`, at: '2026-01-02T03:04:05.000Z', action: 'createToken', outcome: 'done', status: 201 },
  actor: { kind: 'local-admin', id: 'local-admin', name: 'local admin', team: '*' },
  ...{ ip: '::1', requestId: 'r' },
});
const line = (n: number) => `${JSON.stringify(entry(n))}\n`;

/** A client of an API that gives each request the next of `answers`. `seen` are the URLs of the requests. */
async function clientOf(...answers: ((response: ServerResponse) => void)[]) {
  const seen: string[] = [];
  const url = await serve((request, response) => {
    seen.push(request.url ?? '');
    answers.shift()?.(response);
  });
  const deps = { sleep: async () => {}, random: () => 0, now: () => 0 };
  return { client: new KilnClient({ url, deps }), seen };
}

describe('KilnClient.audit', () => {
  it('with follow, reconnects after the last entry that it received completely', async () => {
    const { client, seen } = await clientOf(
      (response) => response.write(`${line(1)}\n${line(2)}{"id":"3-`, () => response.destroy()),
      (response) => response.destroy(),
      (response) => response.end(line(3)),
      (response) => response.end(line(4)),
    );
    const ids: string[] = [];
    for await (const { id } of client.audit({ since: '2026-01-01T00:00:00Z', follow: true })) {
      ids.push(id);
      if (id === '4-0') break;
    }
    expect(ids).toEqual(['1-0', '2-0', '3-0', '4-0']);
    expect(seen.map((url) => new URL(url, 'http://x').searchParams.get('after'))).toEqual([null, '2-0', '2-0', '3-0']);
  });

  it('throws KilnUnreachable when the answer breaks off without follow, and KilnProblem when the API refuses', async () => {
    const { client } = await clientOf(
      (response) => response.write(line(1), () => response.destroy()),
      (response) => response.writeHead(403).end('{}'),
    );
    await expect(Array.fromAsync(client.audit())).rejects.toBeInstanceOf(KilnUnreachable);
    await expect(Array.fromAsync(client.audit({ follow: true }))).rejects.toBeInstanceOf(KilnProblem);
  });
});
