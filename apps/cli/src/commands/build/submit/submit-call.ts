import { randomUUID } from 'node:crypto';
import { isTransient, type KilnClient, KilnUnreachable } from '@kiln/client';
import type { BuildRequestInput, BuildView } from '@kiln/contracts';
import { endOfStage } from '../../../io/stages.ts';
import type { ProgressView } from '../../../progress/view.ts';
import type { Interruption } from '../follow/interruption.ts';

export interface SubmitDeps {
  readonly client: KilnClient;
  readonly view: ProgressView;
  readonly interruption: Interruption;
  /** Where digests of files are remembered, if anywhere. */
  readonly cacheHome: string | undefined;
}

/** Errors of a connection that was never made, so that nothing can have been accepted. */
const NEVER_CONNECTED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

function wasNeverConnected(error: unknown): boolean {
  return error instanceof KilnUnreachable && NEVER_CONNECTED.has(error.code ?? '');
}

/** Submits requests of one build, which creates at most one. */
export class SubmitCall {
  readonly #client: KilnClient;
  readonly idempotencyKey: string;
  readonly #view: ProgressView;
  #answered = false;

  constructor({ client, view }: Pick<SubmitDeps, 'client' | 'view'>, idempotencyKey: string | undefined) {
    this.#client = client;
    this.idempotencyKey = idempotencyKey ?? randomUUID();
    this.#view = view;
  }

  /** Retries while the API doesn't respond. Fails at once if it can't even be connected to, and never could. */
  async send(request: BuildRequestInput): Promise<BuildView> {
    try {
      return await this.#send(request);
    } finally {
      endOfStage('submit');
    }
  }

  async #send(request: BuildRequestInput): Promise<BuildView> {
    const { idempotencyKey } = this;
    if (!this.#answered) {
      try {
        return await this.#client.submit(request, { idempotencyKey, giveUpAfterMs: 0 });
      } catch (error) {
        if (!isTransient(error) || wasNeverConnected(error)) throw error;
        this.retrying(error);
      } finally {
        this.#answered = true;
      }
    }
    return this.#client.submit(request, { idempotencyKey, onRetry: this.retrying });
  }

  readonly retrying = (error: unknown): void =>
    this.#view.say(`${error instanceof Error ? error.message : String(error)}; retrying`);
}
