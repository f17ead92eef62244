import type { KilnClient } from '@kiln/client';
import type { BuildRequestInput, BuildView } from '@kiln/contracts';
import type { ProgressView } from '../../../progress/view.ts';
import type { Interruption } from './interruption.ts';
import type { BuildSource } from '../request/source.ts';

export interface SubmitInput {
  readonly client: KilnClient;
  readonly request: BuildRequestInput;
  readonly source: BuildSource;
  readonly idempotencyKey: string | undefined;
  readonly view: ProgressView;
  readonly interruption: Interruption;
}

/**
 * Sends the request, and the context with it. A Ctrl-C while the context is being sent takes it all back; one after that
 * waits for the answer, for the build may have been accepted, and only its id can cancel it.
 */
export async function submit({
  client,
  request,
  source,
  idempotencyKey,
  view,
  interruption,
}: SubmitInput): Promise<BuildView> {
  const { upload, context } = source;
  const whenUnanswered = {
    idempotencyKey,
    onRetry: (error: unknown) => view.say(`${error instanceof Error ? error.message : String(error)}; trying again`),
  };
  if (!upload) return client.submit(request, whenUnanswered);
  const sending = new AbortController();
  const takeBack = () => sending.abort(interruption.signal.reason);
  interruption.signal.addEventListener('abort', takeBack, { once: true });
  interruption.signal.throwIfAborted();
  const total = context && tarBytes(context.entries);
  async function* packed(): AsyncGenerator<Uint8Array> {
    if (upload) yield* upload.open();
    interruption.signal.removeEventListener('abort', takeBack);
    view.uploaded();
  }
  try {
    return await client.submit(request, {
      ...whenUnanswered,
      signal: sending.signal,
      context: { ...upload, open: packed, onProgress: (sentBytes) => view.uploading(sentBytes, total) },
    });
  } finally {
    interruption.signal.removeEventListener('abort', takeBack);
  }
}

const BLOCK_BYTES = 512;

/** Size of the tar, bytes: a header for each entry, contents in whole blocks, two empty blocks. Long names add a little. */
function tarBytes(entries: readonly { readonly sizeBytes: number }[]): number {
  const blocks = entries.reduce((sum, { sizeBytes }) => sum + 1 + Math.ceil(sizeBytes / BLOCK_BYTES), 2);
  return blocks * BLOCK_BYTES;
}
