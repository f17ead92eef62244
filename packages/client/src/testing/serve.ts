import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';

const servers: Server[] = [];

/** Closes every server with its connections. Runs after each test. */
export async function closeServers(): Promise<void> {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  }
}

afterEach(closeServers);

/** Starts an HTTP server for the running test and returns its URL. Each request gets the next handler, the last one all further requests. */
export async function serve(...handlers: RequestListener[]): Promise<string> {
  const server = createServer((request, response) =>
    (handlers.length > 1 ? handlers.shift() : handlers[0])?.(request, response),
  );
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
