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

/** A request has no more header fields than so many; further ones are not read. */
const MAX_HEADERS = 100;
const MAX_HEADER_BYTES = 16 * 1024;
const TCP_PROBE_MS = 60_000;
/** A refused connection is told of at most so often, ms: they come in floods. */
const TELL_EVERY_MS = 10_000;

export interface HttpServer {
  readonly server: Server;
  readonly connections: OpenConnections;
}

/**
 * The HTTP server: bounded in connections and header fields, and in how long anybody may take to send them. What isn't HTTP is answered
 * with problem details, too. How long a body may take is a matter of its reader: a build context may well take hours.
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
      // Tells whether who is silent for a good reason is still there.
      keepAlive: true,
      keepAliveInitialDelay: TCP_PROBE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Node's own answer has no body: the app refuses such a request.
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
    const problem = fieldProblem('invalid_request', 'header Expect', expected, '100-continue or nothing');
    const requestId = randomUUID();
    response.setHeader('X-Request-Id', requestId);
    sendProblem(request, response, problem, requestId);
  });
  server.on('connect', (_request, socket: Socket) => {
    answerRaw(socket, new ApiProblem('method_not_allowed', 'this is no proxy'));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const [code, detail] = FAULTS[error.code ?? ''] ?? ['malformed_http', 'what was sent is not HTTP/1.1'];
    answerRaw(socket, new ApiProblem(code, detail));
  });
  const dropped = seldom();
  server.on('drop', () => dropped(() => log.warn({ maxConnections }, 'connections refused: the limit is reached')));
  const refused = seldom();
  capConnections(server, {
    max: maxConnectionsByAddress,
    isExempt: (address) => isLoopback(address) || isProxy(address),
    refuse: (socket, network) => {
      refused(() => log.warn({ network, maxConnectionsByAddress }, 'connections of one address refused'));
      answerRaw(socket, tooManyConnections(network, maxConnectionsByAddress));
    },
  });
  return { server, connections };
}

/** Calls what it is given, but not again within `TELL_EVERY_MS`. */
function seldom(): (tell: () => void) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  return (tell) => {
    if (performance.now() - toldAt < TELL_EVERY_MS) return;
    toldAt = performance.now();
    tell();
  };
}

function tooManyConnections(network: string, max: number): ApiProblem {
  return new ApiProblem('too_many_requests', `${network} has ${max} connections open, as many as one address may`, {
    errors: [{ field: 'address', got: 'one more connection', expected: `at most ${max} at a time` }],
    headers: { 'Retry-After': '5' },
  });
}

/** Faults of the connection that have a code of their own; all others are no HTTP. */
const FAULTS: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', `the header fields are larger than ${MAX_HEADER_BYTES} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'the header fields did not come in time'],
};

/** Answers where there is no request to answer to, and closes the connection. */
function answerRaw(socket: Socket, problem: ApiProblem): void {
  // Who has gone, or is in the middle of an answer, can't be told anything.
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
