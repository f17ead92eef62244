import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { Socket } from 'node:net';
import type { ProblemCode } from '@kiln/contracts';
import type { Logger } from 'pino';
import type { ApiConfig } from '../config.ts';
import { isLoopback } from '../edge/client-network.ts';
import { capConnections } from '../edge/connection-cap.ts';
import { sendProblem } from '../http/answer.ts';
import { ApiProblem, fieldProblem } from '../http/api-problem.ts';
import { holdBody } from '../http/body-gate.ts';
import { OpenConnections } from './open-connections.ts';

type ServerTimes = Pick<
  ApiConfig,
  'headersTimeoutMs' | 'keepAliveMs' | 'socketIdleMs' | 'maxConnections' | 'maxConnectionsByAddress'
>;

/** Most header fields of a request; further ones are not read. */
const MAX_HEADERS = 100;
const MAX_HEADER_BYTES = 16 * 1024;
const TCP_PROBE_MS = 60_000;
/** How often refused connections are logged at most, ms: they come in floods. */
const LOG_EVERY_MS = 10_000;

export interface HttpServer {
  readonly server: Server;
  readonly connections: OpenConnections;
}

/**
 * Creates the HTTP server, which bounds connections, header fields and the time to send them. Bytes that aren't HTTP are answered with
 * problem details, too. The time of a body is up to its reader: a build context may take hours.
 */
export function createHttpServer(
  times: ServerTimes,
  listener: RequestListener,
  isProxy: (address: string) => boolean,
  log: Logger,
): HttpServer {
  const connections = new OpenConnections();
  const app = connections.counting(listener);
  const { headersTimeoutMs, keepAliveMs, socketIdleMs, maxConnections, maxConnectionsByAddress } = times;
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: 0,
      connectionsCheckingInterval: Math.max(100, headersTimeoutMs / 4),
      keepAliveTimeout: keepAliveMs,
      // Detects clients that are gone while a connection is silent for a good reason.
      keepAlive: true,
      keepAliveInitialDelay: TCP_PROBE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Node's own answer has no body, so the app refuses such requests.
      requireHostHeader: false,
    },
    app,
  );
  server.on('connection', (socket: Socket) => connections.add(socket));
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = maxConnections;
  server.timeout = socketIdleMs;
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    holdBody(request, response);
    app(request, response);
  });
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    const expected = request.headers.expect?.slice(0, 100) ?? '';
    const problem = fieldProblem('invalid_request', 'header Expect', expected, '100-continue or no Expect header');
    const requestId = randomUUID();
    response.setHeader('X-Request-Id', requestId);
    sendProblem(request, response, problem, requestId);
  });
  server.on('connect', (_request, socket: Socket) => {
    answerRaw(socket, new ApiProblem('method_not_allowed', 'this server is not a proxy'));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const [code, detail] = FAULTS[error.code ?? ''] ?? ['malformed_http', 'the request is not valid HTTP/1.1'];
    answerRaw(socket, new ApiProblem(code, detail));
  });
  const dropped = throttled();
  server.on('drop', () => dropped(() => log.warn({ maxConnections }, 'connections refused: limit reached')));
  const refused = throttled();
  capConnections(server, {
    max: maxConnectionsByAddress,
    isExempt: (address) => isLoopback(address) || isProxy(address),
    refuse: (socket, network) => {
      refused(() => log.warn({ network, maxConnectionsByAddress }, 'connections from one address refused'));
      answerRaw(socket, tooManyConnections(network, maxConnectionsByAddress));
    },
  });
  return { server, connections };
}

/** Calls the given function, but at most once per `LOG_EVERY_MS`. */
function throttled(): (call: () => void) => void {
  let calledAt = Number.NEGATIVE_INFINITY;
  return (call) => {
    if (performance.now() - calledAt < LOG_EVERY_MS) return;
    calledAt = performance.now();
    call();
  };
}

function tooManyConnections(network: string, max: number): ApiProblem {
  return new ApiProblem(
    'too_many_requests',
    `${network} has ${max} open connections, the most that one address may have`,
    {
      errors: [{ field: 'address', got: 'one more connection', expected: `at most ${max} at a time` }],
      headers: { 'Retry-After': '5' },
    },
  );
}

/** Node's errors that have a problem code of their own; all others mean invalid HTTP. */
const FAULTS: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', `the header fields are larger than ${MAX_HEADER_BYTES} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'the header fields did not arrive in time'],
};

/** Answers on a bare socket, when there is no request to respond to, and closes the connection. */
function answerRaw(socket: Socket, problem: ApiProblem): void {
  // Nothing can be sent to a client that is gone, or in the middle of an answer.
  if (!socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const requestId = randomUUID();
  const body = JSON.stringify(problem.toProblem(requestId));
  const { status } = problem;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'Cache-Control: no-store',
    'Connection: close',
    ...Object.entries(problem.headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
