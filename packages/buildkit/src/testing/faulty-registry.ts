import { once } from 'node:events';
import { createServer, type IncomingMessage, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the proxy does with a request instead of passing it on. `cut`: it passes half of the answer's bytes on, and breaks the connection. */
export type RegistryFault = { readonly status: number } | { readonly cut: true } | { readonly delayMs: number };

export interface FaultyRegistry extends AsyncDisposable {
  /** `address:port`. */
  readonly host: string;
  /** The present fault of a request; undefined: passed on as it is. `body` is that of a manifest. */
  fault: (request: IncomingMessage, body: string) => RegistryFault | undefined;
}

/** Starts a proxy before a registry that answers some requests itself. */
export async function faultyRegistry(listenAt: string, registry: string): Promise<FaultyRegistry> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const isManifest = request.method === 'PUT' && request.url?.includes('/manifests/');
    const fault = proxy.fault(request, isManifest ? body.toString() : '');
    if (fault && 'status' in fault) return void response.writeHead(fault.status).end('{}');
    if (fault && 'delayMs' in fault) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    const options = { method: request.method, headers: request.headers };
    const onward = send(`http://${registry}${request.url}`, options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (!fault || !('cut' in fault)) return void answer.pipe(response);
      // A head without a body is cut off, too.
      answer.once('end', () => response.destroy());
      answer.once('data', (chunk: Buffer) =>
        response.write(chunk.subarray(0, chunk.length / 2), () => response.destroy()),
      );
    });
    onward.on('error', () => response.destroy());
    onward.end(body);
  }).listen(0, listenAt);
  await once(server, 'listening');
  const proxy: FaultyRegistry = {
    host: `${listenAt}:${(server.address() as AddressInfo).port}`,
    fault: () => undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}
