import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { createServer } from 'node:tls';

export interface TlsFront extends AsyncDisposable {
  /** `address:port`. */
  readonly host: string;
}

/** Puts TLS in front of a server at a port of 127.0.0.1. */
export async function startTlsFront(
  target: number,
  certificate: { readonly cert: string; readonly key: string },
  listenAt: string,
): Promise<TlsFront> {
  const open = new Set<{ destroy(): void }>();
  const server = createServer(certificate, (socket) => {
    const inner = connect(target, '127.0.0.1');
    for (const [end, other] of [
      [socket, inner],
      [inner, socket],
    ] as const) {
      open.add(end);
      end.on('error', () => other.destroy());
      end.on('close', () => open.delete(end));
      end.pipe(other);
    }
  });
  // A client that doesn't trust the certificate ends the handshake.
  server.on('tlsClientError', () => {});
  server.listen(0, listenAt);
  await once(server, 'listening');
  return {
    host: `${listenAt}:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const one of open) one.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
