import { PassThrough } from 'node:stream';
import type { BuildResult } from '@kiln/domain';
import type { RunRequest } from './builder-options.ts';
import type { Halt } from './halt.ts';
import { messageOf } from './message-of.ts';

type Artifact = NonNullable<BuildResult['artifact']>;

/** Leads buildx's stdout, the tar of the result, to whoever stores it. */
export class ArtifactPipe {
  readonly #stream = new PassThrough();
  readonly #stored: Promise<Artifact | undefined>;
  #release: (() => void) | undefined;

  constructor(store: NonNullable<RunRequest['artifact']>, halt: Halt) {
    this.#stream.on('error', () => this.#release?.()).on('drain', () => this.#release?.());
    halt.signal.addEventListener('abort', () => this.#stream.destroy(new Error('the build was stopped')));
    this.#stored = store(this.#stream).catch((error: unknown) => {
      halt.fail({ code: 'infrastructure', message: `the artifact could not be stored: ${messageOf(error)}` });
      return undefined;
    });
  }

  async write(data: Buffer): Promise<void> {
    if (this.#stream.destroyed || this.#stream.write(data)) return;
    await new Promise<void>((resolve) => {
      this.#release = resolve;
    });
  }

  /** @param complete whether buildx wrote all of it; otherwise the reader gets an error instead of an end */
  async finish(complete: boolean): Promise<Artifact | undefined> {
    if (complete) this.#stream.end();
    else this.#stream.destroy(new Error('the build failed'));
    return await this.#stored;
  }
}
