import type { ContextUpload } from '@kiln/client';
import { type BuildRequestInput, type BuildView, bytes } from '@kiln/contracts';
import type { SubmitDeps } from './submit-call.ts';

export interface SubmitTarOptions {
  readonly request: BuildRequestInput;
  readonly idempotencyKey: string | undefined;
}

/** Submits a build with a tar. @throws the reason of an interruption before the tar was sent */
export async function submitTar(
  tar: Omit<ContextUpload, 'onProgress'>,
  { request, idempotencyKey }: SubmitTarOptions,
  { client, view, interruption }: SubmitDeps,
): Promise<BuildView> {
  // Fail before a large context is sent: is the API reachable, and is the token accepted?
  await client.list({ limit: 1 });
  const sending = new AbortController();
  const abort = () => sending.abort(interruption.signal.reason);
  interruption.signal.addEventListener('abort', abort, { once: true });
  interruption.signal.throwIfAborted();
  let sentBytes = 0;
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield* tar.open();
    interruption.signal.removeEventListener('abort', abort);
    view.uploaded(`context sent, ${bytes(sentBytes)}`);
  }
  const onProgress = (sent: number) => {
    sentBytes = sent;
    view.uploading(sent, undefined);
  };
  try {
    const context = { ...tar, open: whole, onProgress };
    return await client.submit(request, { idempotencyKey, signal: sending.signal, context });
  } finally {
    interruption.signal.removeEventListener('abort', abort);
  }
}
