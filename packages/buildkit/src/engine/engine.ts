import Docker from 'dockerode';
import { messageOf } from './message-of.ts';

export const DEFAULT_SOCKET = '/var/run/docker.sock';

/** Time-out of calls that make the engine do no work of its own. */
export const CALL_TIMEOUT_MS = 15_000;

/** The engine didn't answer, or rejected a call. */
export class EngineError extends Error {
  /** HTTP status, if the engine answered at all. */
  readonly status: number | undefined;

  constructor(message: string, status: number | undefined, cause: unknown) {
    super(message, { cause });
    this.name = 'EngineError';
    this.status = status;
  }
}

/**
 * Makes a client of the engine; connects with the first call.
 * @param address path of the engine's socket, or `tcp://host:port`
 * @throws Error if the address is neither
 */
export function connectEngine(address: string): Docker {
  if (!address.includes('://')) return new Docker(settings({ socketPath: address }));
  const url = new URL(address);
  if (url.protocol === 'unix:') return new Docker(settings({ socketPath: url.pathname }));
  if (url.protocol !== 'tcp:' || !url.port)
    throw new Error(`docker socket: got ${address}, expected a path or tcp://host:port`);
  return new Docker(settings({ host: url.hostname, port: url.port, protocol: 'http' }));
}

/** Sets `host` explicitly, because docker-modem would otherwise prefer DOCKER_HOST of the environment to the socket's path. */
function settings(options: {
  socketPath?: string;
  host?: string;
  port?: string;
  protocol?: 'http';
}): Docker.DockerOptions {
  return Object.assign({ host: undefined }, options) as Docker.DockerOptions;
}

/**
 * Calls the engine with a time-out: dockerode itself would wait forever on a dead connection.
 * @param what names the call in errors
 * @throws EngineError
 */
export async function callEngine<T>(
  what: string,
  call: (signal: AbortSignal) => Promise<T>,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<T> {
  const controller = new AbortController();
  const { promise: timedOut, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new EngineError(`docker engine: ${what}: no answer within ${timeoutMs} ms`, undefined, undefined));
    controller.abort();
  }, timeoutMs);
  try {
    return await Promise.race([call(controller.signal), timedOut]);
  } catch (error) {
    throw error instanceof EngineError ? error : engineError(what, error);
  } finally {
    clearTimeout(timer);
  }
}

function engineError(what: string, error: unknown): EngineError {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return new EngineError(
    `docker engine: ${what}: ${messageOf(error)}`,
    typeof status === 'number' ? status : undefined,
    error,
  );
}

/** Whether `error` is the engine's answer with one of these HTTP statuses. */
export function hasStatus(error: unknown, ...statuses: number[]): boolean {
  return error instanceof EngineError && error.status !== undefined && statuses.includes(error.status);
}
