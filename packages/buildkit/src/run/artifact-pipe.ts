import { PassThrough } from 'node:stream';
import type { BuildResult, Failure } from '@kiln/domain';
import { messageOf } from '../engine/message-of.ts';
import type { Halt } from '../outcome/halt.ts';
import type { RunRequest } from './run-request.ts';

type Artifact = NonNullable<BuildResult['artifact']>;

/** Thrown by an artifact's store to fail the build itself, as for an artifact that is too large. */
export class ArtifactRefused extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** Pipes buildx's stdout, the tar of the result, to the artifact's store. */
export class ArtifactPipe {
  readonly #stream = new PassThrough();
  readonly #stored: Promise<Artifact | undefined>;
  #release: (() => void) | undefined;
  /** Whether the store gets an error instead of an end. */
  #givenUp = false;

  constructor(store: NonNullable<RunRequest['artifact']>, halt: Halt) {
    this.#stream.on('error', () => this.#release?.()).on('drain', () => this.#release?.());
    halt.signal.addEventListener('abort', () => this.#giveUp('the build was stopped'));
    this.#stored = store(this.#stream).catch((error: unknown) => {
      // The store's error only follows from the incomplete stream.
      if (this.#givenUp) return undefined;
      const message = `the artifact could not be stored: ${messageOf(error)}`;
      halt.fail(error instanceof ArtifactRefused ? error.failure : { code: 'infrastructure', message });
      return undefined;
    });
  }

  async write(data: Buffer): Promise<void> {
    if (this.#stream.destroyed || this.#stream.write(data)) return;
    await new Promise<void>((resolve) => {
      this.#release = resolve;
    });
  }

  /**
   * Ends the stream and waits for the store.
   * @param complete whether buildx wrote all of it; otherwise the store gets an error instead of an end
   */
  async finish(complete: boolean): Promise<Artifact | undefined> {
    if (complete) this.#stream.end();
    else this.#giveUp('the build failed');
    return await this.#stored;
  }

  #giveUp(why: string): void {
    this.#givenUp = true;
    this.#stream.destroy(new Error(why));
  }
}
