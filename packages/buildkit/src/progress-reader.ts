import type { RunRequest } from './builder-options.ts';
import { unenforcedLimits } from './buildx-arguments.ts';
import { StatusDecoder } from './decode-status.ts';
import { maskText, secretNeedles } from './mask-secrets.ts';
import { PlainLines } from './plain-lines.ts';
import type { RecordSink } from './record-sink.ts';
import type { RunHost } from './run-build.ts';
import { ProgressScanner, type ScannedItem } from './scan-progress.ts';
import { type SolveStatus, solveStatus } from './solve-status.ts';
import { ToldStatus } from './told-status.ts';

/** buildx's words when BuildKit's statuses didn't reach it to their end. */
const BROKEN_OFF = 'failed to receive status';

/** Takes buildx's progress from its stderr to the sink. */
export class ProgressReader {
  readonly #scanner = new ProgressScanner();
  readonly #lines = new PlainLines();
  readonly #decoder: StatusDecoder;
  readonly #needles: readonly string[];
  readonly #sink: RecordSink;
  readonly #host: RunHost;
  readonly #request: RunRequest;
  readonly #told = new ToldStatus();

  constructor(request: RunRequest, host: RunHost, sink: RecordSink) {
    this.#request = request;
    this.#host = host;
    this.#sink = sink;
    const { secrets, registryLogins = [], hidden = [] } = request;
    this.#needles = secretNeedles([...secrets.values(), ...registryLogins.map(({ password }) => password), ...hidden]);
    this.#decoder = new StatusDecoder(this.#needles, request.spec.output.type === 'push' ? request.spec.tags : []);
  }

  async push(data: Buffer): Promise<void> {
    for (const item of this.#scanner.push(data)) await this.#take(item);
  }

  /** Everything was pushed. */
  async endOfText(): Promise<void> {
    for (const item of this.#scanner.end()) await this.#take(item);
  }

  /** Of the build's statuses from its beginning, the rest that wasn't pushed. */
  async takeRest(statuses: AsyncIterable<SolveStatus>): Promise<void> {
    const rest = this.#told.rest();
    for await (const status of statuses) await this.#deliver(rest(status));
  }

  /** Nothing more is coming. */
  async end(): Promise<void> {
    await this.#sink.deliver(this.#decoder.end());
  }

  async warnOfLimits(): Promise<void> {
    for (const limit of unenforcedLimits(this.#request.spec, this.#host.features)) {
      await this.#warn(`resources.${limit} is not enforced: this host's buildx has no such limit`);
    }
  }

  /** Whether BuildKit has said the end of all that it began. */
  get idle(): boolean {
    return this.#decoder.idle;
  }

  /** Whether buildx said of itself that it had not told everything. */
  get brokenOff(): boolean {
    return this.#lines.list().some((line) => line.includes(BROKEN_OFF));
  }

  facts() {
    const { counts, failed, pushed } = this.#decoder;
    return { counts, failed, pushed, lines: this.#lines.list() };
  }

  async #take(item: ScannedItem): Promise<void> {
    switch (item.type) {
      case 'status':
        return await this.#deliver(solveStatus(item.value));
      case 'dropped':
        return await this.#warn(`${item.bytes} bytes of progress output were too long to read`);
      case 'line': {
        const line = maskText(item.text, this.#needles);
        this.#lines.push(line);
        if (line.startsWith('WARNING: ')) await this.#warn(line.slice('WARNING: '.length));
      }
    }
  }

  async #deliver(status: SolveStatus): Promise<void> {
    this.#told.add(status);
    await this.#sink.deliver(this.#decoder.decode(status, this.#host.now()));
  }

  async #warn(message: string): Promise<void> {
    await this.#sink.deliver([{ t: this.#host.now(), type: 'warning', message }]);
  }
}
