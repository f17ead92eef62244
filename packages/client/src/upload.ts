import type { BuildRequestInput } from '@kiln/contracts';

/** A build context to send: a tar or a gzipped tar. */
export interface ContextUpload {
  /** Starts reading the tar. Called again for each retry if `repeatable`. */
  readonly open: () => AsyncIterable<Uint8Array>;
  /** Whether `open` yields the same bytes again. A tar from a pipe isn't repeatable, so a broken upload of it is an error. */
  readonly repeatable: boolean;
  readonly gzip?: boolean | undefined;
  /** Bytes of the context handed to the connection so far; 0 again when an upload is repeated. */
  readonly onProgress?: ((sentBytes: number) => void) | undefined;
}

export interface MultipartBody {
  readonly contentType: string;
  readonly stream: AsyncIterable<Uint8Array>;
  /** Returns the error from reading the context, if that and not the connection broke the upload. */
  readonly sourceError: () => unknown;
}

/** Frames request and context as multipart/form-data. The stream is pulled chunk by chunk, so the context is never held in memory. */
export function multipartBody(request: BuildRequestInput, context: ContextUpload, boundary: string): MultipartBody {
  let failure: unknown;
  const text = new TextEncoder();
  async function* parts(): AsyncGenerator<Uint8Array> {
    yield text.encode(
      `--${boundary}\r\nContent-Disposition: form-data; name="request"\r\nContent-Type: application/json\r\n\r\n` +
        `${JSON.stringify(request)}\r\n--${boundary}\r\n` +
        `Content-Disposition: form-data; name="context"; filename="context.tar${context.gzip ? '.gz' : ''}"\r\n` +
        `Content-Type: ${context.gzip ? 'application/gzip' : 'application/x-tar'}\r\n\r\n`,
    );
    let sent = 0;
    context.onProgress?.(sent);
    try {
      for await (const chunk of context.open()) {
        yield chunk;
        sent += chunk.byteLength;
        context.onProgress?.(sent);
      }
    } catch (error) {
      failure = error;
      throw error;
    }
    yield text.encode(`\r\n--${boundary}--\r\n`);
  }
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    stream: parts(),
    sourceError: () => failure,
  };
}
