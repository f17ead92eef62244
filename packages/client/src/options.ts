import type { BuildView, SecretView } from '@kiln/contracts';
import type { ClientDeps } from './retry.ts';
import type { TokenSource } from './transport.ts';
import type { ContextUpload } from './upload.ts';

export interface KilnClientOptions {
  /** Base URL of the API, such as `https://kiln.example.com`. */
  readonly url: string;
  readonly token?: TokenSource | undefined;
  /** For tests. */
  readonly deps?: ClientDeps | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface SubmitOptions extends CallOptions {
  /** Sent with the request. Without it, the source must be a git repository or name a context that the API already has. */
  readonly context?: ContextUpload | undefined;
  /** Default: a random key per call of `submit`, the same for all its tries. */
  readonly idempotencyKey?: string | undefined;
  /** How long to retry while the API doesn't respond, in ms. Default: 60 s. */
  readonly giveUpAfterMs?: number | undefined;
  readonly onRetry?: ((error: unknown, delayMs: number) => void) | undefined;
}

export interface ListOptions extends CallOptions {
  readonly repo?: string | undefined;
  readonly state?: BuildView['state'] | undefined;
  readonly team?: string | undefined;
  /** 1 to 200. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface WaitOptions extends CallOptions {
  /** How long to retry while the API doesn't respond, in ms. Default: 10 minutes for `waitForEnd`, 0 (one try) for `cancel`. */
  readonly giveUpAfterMs?: number | undefined;
}

export interface SecretFilter {
  readonly team?: string | undefined;
  /** A repository such as `github.com/acme/app`, or its URL. */
  readonly repo?: string | undefined;
}

export interface SecretName extends SecretFilter {
  readonly kind: SecretView['kind'];
  /** The host, for the kinds `registry` and `git`. */
  readonly name: string;
}

/**
 * The answer to a cancel. `confirmed: false` means that the host has yet to stop the build. A confirmed build that hasn't ended
 * continues for other builds that share its run; there is nothing to wait for.
 */
export interface CancelAnswer {
  readonly build: BuildView;
  readonly confirmed: boolean;
}

export interface Artifact {
  readonly body: AsyncIterable<Uint8Array>;
  readonly sizeBytes: number | undefined;
}
