import type { ClientHttp2Session } from 'node:http2';
import type { DescService } from '@bufbuild/protobuf';
import { type Client, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';

/** BuildKit didn't answer, or answered with an error. */
export class BuildkitError extends Error {
  constructor(method: string, reason: string) {
    super(`BuildKit: ${method}: ${reason}`);
    this.name = 'BuildkitError';
  }
}

/** The host in requests; the session decides who is reached. */
export const AUTHORITY = 'http://buildkit';

/**
 * Makes a gRPC call with a single request, and yields the messages of the response. Reads on demand.
 * @param method for errors
 * @param silenceMs time-out between two parts of the response
 * @throws BuildkitError
 */
export async function* grpcCall<S extends DescService, T>(
  service: S,
  session: ClientHttp2Session,
  { method, silenceMs }: { readonly method: string; readonly silenceMs: number },
  call: (client: Client<S>, options: { readonly signal: AbortSignal }) => Promise<T> | AsyncIterable<T>,
): AsyncGenerator<T> {
  const stop = new AbortController();
  const silent = new BuildkitError(method, `no answer within ${silenceMs} ms`);
  const timer = setTimeout(() => stop.abort(silent), silenceMs);
  // Unlike the library's own manager, this one opens no other connection when this one is gone: a caller then opens another `BuildkitControl`.
  const sessionManager = {
    authority: AUTHORITY,
    request: async (verb: string, path: string, headers: object, options: object) =>
      session.request({ ...headers, ':method': verb, ':path': path }, options),
    notifyResponseByteRead: () => void timer.refresh(),
  };
  const client = createClient(
    service,
    createGrpcTransport({ baseUrl: AUTHORITY, acceptCompression: [], sessionManager }),
  );
  try {
    const answer = call(client, { signal: stop.signal });
    if (!(Symbol.asyncIterator in answer)) {
      yield await answer;
      return;
    }
    for await (const message of answer) {
      yield message;
      timer.refresh();
    }
  } catch (error) {
    if (stop.signal.aborted) throw silent;
    throw new BuildkitError(method, error instanceof ConnectError ? error.rawMessage : String(error));
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}
