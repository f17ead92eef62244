import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Pulse } from './pulse.ts';

export interface HealthServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Serves health checks on the loopback address, for containers and service managers. `/healthz` answers 200 while the process is alive,
 * `/readyz` 200 while `pulse` is alive and 503 while it isn't. Don't restart a process that isn't ready: while Redis is unreachable that
 * would only add load.
 * @param port 0 for any free one
 */
export async function serveHealth(port: number, pulse: Pulse): Promise<HealthServer> {
  const server = createServer((request, response) => {
    if (request.url === '/healthz') answer(response, 200, 'alive');
    else if (request.url === '/readyz') answer(response, pulse.alive ? 200 : 503, words(pulse));
    else answer(response, 404, 'no such path: use /healthz or /readyz');
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
