import type { Logger } from '@kiln/runtime';
import manifest from '../../package.json' with { type: 'json' };
import { otlpJson, type Span } from './span.ts';

export interface OtlpOptions {
  /** Where spans are sent, with the path. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly resource: Span['attributes'];
  readonly log: Pick<Logger, 'warn'>;
  /** How long spans wait for others, ms. */
  readonly everyMs?: number;
}

const EVERY_MS = 2_000;
const BATCH = 500;
/** Spans beyond this number are dropped while the receiver is away. */
const MAX_WAITING = 20_000;
const TIMEOUT_MS = 10_000;
/** How often a failure is logged at most, ms. */
const LOG_EVERY_MS = 60_000;
const RETRIABLE: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

/** Sends spans to a receiver of OTLP/HTTP, in JSON. Nothing waits for it or fails by it; what it doesn't take is sent again, then dropped. */
export class OtlpExporter {
  readonly #options: OtlpOptions;
  #waiting: Span[] = [];
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: OtlpOptions) {
    this.#options = options;
  }

  export(spans: readonly Span[]): void {
    const room = Math.max(0, MAX_WAITING - this.#waiting.length);
    this.#waiting.push(...spans.slice(0, room));
    this.#dropped += Math.max(0, spans.length - room);
    this.#schedule();
  }

  /** Sends what is left, once. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#sending;
    await this.#send();
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#waiting.length === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sending = this.#send();
    }, this.#options.everyMs ?? EVERY_MS);
    this.#timer.unref();
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH);
      const outcome = await this.#post(batch);
      if (outcome === 'again') {
        this.#waiting.unshift(...batch);
        break;
      }
    }
    this.#schedule();
  }

  async #post(batch: readonly Span[]): Promise<'done' | 'again'> {
    const { url, headers, resource } = this.#options;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': `kiln/${manifest.version}`, ...headers },
        body: otlpJson(batch, resource, { name: 'kiln', version: manifest.version }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await response.arrayBuffer();
      if (response.ok) return 'done';
      this.#failed(`it answered with ${response.status}`);
      return RETRIABLE.has(response.status) ? 'again' : 'done';
    } catch (error) {
      this.#failed(
        error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : String(error),
      );
      return 'again';
    }
  }

  #failed(reason: string): void {
    if (performance.now() - this.#loggedAt < LOG_EVERY_MS) return;
    this.#loggedAt = performance.now();
    this.#options.log.warn(
      { reason, waiting: this.#waiting.length, dropped: this.#dropped },
      'exporting traces failed',
    );
  }
}
