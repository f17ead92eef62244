import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import type { OpenMetrics } from './open-metrics.ts';

/** An address to listen on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const LISTEN = /^(?:(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):)?(\d{1,5})$/;
const MOST_PORT = 65_535;

/** The setting that makes any process of a pool serve its metrics. */
export const metricsEnv = {
  KILN_METRICS_LISTEN: z
    .string()
    .transform((text, ctx): ListenAddress => {
      const [, host = '127.0.0.1', port = ''] = LISTEN.exec(text) ?? [];
      if (port !== '' && Number(port) <= MOST_PORT) return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
      ctx.addIssue({ code: 'custom', message: '[host:]port, such as 9090, 0.0.0.0:9090 or [::]:9090', input: text });
      return z.NEVER;
    })
    .optional()
    .describe(
      '`[host:]port` to serve `/metrics` on, without a credential; the host is 127.0.0.1 if none is given; unset: off ([metrics.md](metrics.md))',
    ),
};

export interface MetricsServer extends AsyncDisposable {
  readonly port: number;
}

/** Serves `GET /metrics` and nothing else, to anyone who can connect. @throws the error of listening, as for an address in use */
export async function serveMetrics({ host, port }: ListenAddress, metrics: OpenMetrics): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (path !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('no such path: use GET /metrics\n');
      return;
    }
    metrics.text().then(
      (text) => response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
