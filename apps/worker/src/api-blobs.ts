import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { AttemptRef } from '@kiln/state';
import { z } from 'zod';

/** How a worker on another machine reads contexts and stores artifacts: through the API. */
export class ApiBlobs {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url.replace(/\/+$/, '');
    this.#token = token;
  }

  /** An uploaded context; undefined where the API no longer has it. */
  async openContext(digest: string): Promise<Readable | undefined> {
    const answer = await this.#call(`/v1/contexts/${digest}`, {});
    if (answer.status === 404) return undefined;
    if (!answer.ok || !answer.body) throw new Error(`the API answered ${answer.status} to a read of context ${digest}`);
    return Readable.fromWeb(answer.body as ReadableStream);
  }

  async storeArtifact(
    { buildId, attempt }: AttemptRef,
    content: Readable,
  ): Promise<{ digest: string; sizeBytes: number }> {
    const answer = await this.#call(`/v1/artifacts/${buildId}-${attempt}`, {
      method: 'PUT',
      body: Readable.toWeb(content) as unknown as NonNullable<RequestInit['body']>,
      duplex: 'half',
      headers: { 'content-type': 'application/x-tar' },
    });
    if (!answer.ok)
      throw new Error(`the API answered ${answer.status} to an artifact of ${buildId}: ${await answer.text()}`);
    return z.object({ digest: z.string(), sizeBytes: z.int() }).parse(await answer.json());
  }

  #call(path: string, init: RequestInit & { headers?: Record<string, string>; duplex?: 'half' }): Promise<Response> {
    return fetch(this.#url + path, { ...init, headers: { ...init.headers, authorization: `Bearer ${this.#token}` } });
  }
}
