import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

const USER = 'corp-user';
const PASSWORD = 'corp-Passw0rd-4711';

export interface TestProxy extends AsyncDisposable {
  /** With its credentials, which it requires. */
  readonly url: string;
  readonly password: string;
  /** What was asked for: `GET http://name/path`, `CONNECT name:port`; with `refused ` before it without the credentials. */
  readonly asked: readonly string[];
}

/**
 * Starts an HTTP proxy, with CONNECT, that requires credentials.
 * @param names where the servers are that only the proxy knows: `name` → `address:port`
 */
export async function startProxy(listenAt: string, names: Readonly<Record<string, string>>): Promise<TestProxy> {
  const asked: string[] = [];
  const expected = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;
  const isAllowed = (request: IncomingMessage, what: string) => {
    const ok = request.headers['proxy-authorization'] === expected;
    asked.push(ok ? what : `refused ${what}`);
    return ok;
  };
  const placeOf = (host: string) => {
    const [name = '', port = '80'] = host.split(':');
    const [address = '', own = port] = (names[name] ?? host).split(':');
    return { host: address, port: Number(own) };
  };
  const server = createServer((request, response) => {
    if (!isAllowed(request, `${request.method} ${request.url}`)) {
      response.writeHead(407, { 'proxy-authenticate': 'Basic realm="corp"' }).end();
      return;
    }
    const { host, pathname } = new URL(request.url ?? '');
    const { 'proxy-authorization': _, 'proxy-connection': __, ...headers } = request.headers;
    const onward = httpRequest({ ...placeOf(host), method: request.method, path: pathname, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    request.pipe(onward);
  });
  const tunnels = new Set<Socket>();
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => {});
    if (!isAllowed(request, `CONNECT ${request.url}`)) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="corp"\r\n\r\n');
      return;
    }
    const { host, port } = placeOf(request.url ?? '');
    const onward = connect(port, host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    for (const end of [socket, onward]) {
      tunnels.add(end);
      end.on('close', () => tunnels.delete(end));
    }
  });
  server.listen(0, listenAt);
  await once(server, 'listening');
  return {
    url: `http://${USER}:${PASSWORD}@${listenAt}:${(server.address() as AddressInfo).port}`,
    password: PASSWORD,
    asked,
    async [Symbol.asyncDispose]() {
      for (const tunnel of tunnels) tunnel.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
