import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Pulse } from './pulse.ts';

export interface HealthServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Answers on the loopback address alone, for a container's or a service manager's checks: `/healthz` with 200 while the
 * process lives, `/readyz` with 200 while `pulse` is alive and 503 while it isn't. To restart a process for the second
 * would only make a Redis that is away worse.
 * @param port 0 takes any free one
 */
export async function serveHealth(port: number, pulse: Pulse): Promise<HealthServer> {
  const server = createServer((request, response) => {
    if (request.url === '/healthz') answer(response, 200, 'alive');
    else if (request.url === '/readyz') answer(response, pulse.alive ? 200 : 503, words(pulse));
    else answer(response, 404, 'there are /healthz and /readyz');
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' }).end(`${text}\n`);
}

function words({ alive, ageMs, limitMs }: Pulse): string {
  const last = ageMs === undefined ? 'no success yet' : `last success ${Math.round(ageMs)} ms ago`;
  return alive ? `ready: ${last}` : `not ready: ${last}, expected one within ${limitMs} ms`;
}
