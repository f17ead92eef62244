import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AuditEntry } from '@kiln/contracts';
import { afterEach, expect, it } from 'vitest';
import { KilnClient } from './client.ts';
import { KilnProblem, KilnUnreachable } from './errors.ts';

const entry = (n: number): AuditEntry => ({
  ...{ id: `${n}-0`, at: '2026-01-02T03:04:05.000Z', action: 'createToken', outcome: 'done', status: 201 },
  actor: { kind: 'local-admin', id: 'local-admin', name: 'local admin', team: '*' },
  ...{ ip: '::1', requestId: 'r' },
});
const line = (n: number) => `${JSON.stringify(entry(n))}\n`;
const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Answers each request in turn with the next of `answers`; `seen` are their queries. */
async function serve(...answers: ((response: ServerResponse) => void)[]) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(request.url ?? '');
    answers.shift()?.(response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ambience = { sleep: async () => {}, random: () => 0, now: () => 0 };
  return { client: new KilnClient({ url, ambience }), seen };
}

it('reads to the end; a follower comes back after the last entry that it had whole', async () => {
  const { client, seen } = await serve(
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

it('who doesn’t follow is told that it broke off, and who is refused that, too', async () => {
  const { client } = await serve(
    (response) => response.write(line(1), () => response.destroy()),
    (response) => response.writeHead(403).end('{}'),
  );
  await expect(Array.fromAsync(client.audit())).rejects.toBeInstanceOf(KilnUnreachable);
  await expect(Array.fromAsync(client.audit({ follow: true }))).rejects.toBeInstanceOf(KilnProblem);
});
