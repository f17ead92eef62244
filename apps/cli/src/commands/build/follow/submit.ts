import type { KilnClient } from '@kiln/client';
import type { BuildRequestInput, BuildView } from '@kiln/contracts';
import type { ContextDirectory } from '../../../context/context-tree.ts';
import type { ProgressView } from '../../../progress/view.ts';
import type { BuildSource } from '../request/source.ts';
import type { Interruption } from './interruption.ts';

export interface SubmitOptions {
  readonly client: KilnClient;
  readonly request: BuildRequestInput;
  readonly source: BuildSource;
  readonly idempotencyKey: string | undefined;
  readonly view: ProgressView;
  readonly interruption: Interruption;
}

/**
 * Sends the request with its context. Ctrl-C while the context is being sent aborts the submission. A later Ctrl-C has to
 * wait for the answer: the build may have been accepted, and canceling it takes its id.
 */
export async function submit({
  client,
  request,
  source,
  idempotencyKey,
  view,
  interruption,
}: SubmitOptions): Promise<BuildView> {
  const { upload, context } = source;
  const whenUnanswered = {
    idempotencyKey,
    onRetry: (error: unknown) => view.say(`${error instanceof Error ? error.message : String(error)}; retrying`),
  };
  if (!upload) return client.submit(request, whenUnanswered);
  const sending = new AbortController();
  const abort = () => sending.abort(interruption.signal.reason);
  interruption.signal.addEventListener('abort', abort, { once: true });
  interruption.signal.throwIfAborted();
  const total = context && tarBytes(context.tree);
  async function* packed(): AsyncGenerator<Uint8Array> {
    if (upload) yield* upload.open();
    interruption.signal.removeEventListener('abort', abort);
    view.uploaded();
  }
  try {
    return await client.submit(request, {
      ...whenUnanswered,
      signal: sending.signal,
      context: { ...upload, open: packed, onProgress: (sentBytes) => view.uploading(sentBytes, total) },
    });
  } finally {
    interruption.signal.removeEventListener('abort', abort);
  }
}

const BLOCK_BYTES = 512;

/** Estimates the size of the tar in bytes: a header per entry, contents in whole blocks, two empty blocks. Long names add a little. */
function tarBytes(tree: ContextDirectory): number {
  const blocksOf = ({ children }: ContextDirectory): number =>
    children.reduce((sum, child) => {
      if (child.type === 'directory') return sum + 1 + blocksOf(child);
      return sum + 1 + (child.type === 'file' ? Math.ceil(child.state.sizeBytes / BLOCK_BYTES) : 0);
    }, 0);
  return (2 + blocksOf(tree)) * BLOCK_BYTES;
}
