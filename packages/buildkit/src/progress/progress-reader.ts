import type { LogRecord } from '@kiln/contracts';
import { type SolveStatus, solveStatus } from '../control/solve-status.ts';
import { bytesNeedles, maskText, secretNeedles } from '../masking/mask-secrets.ts';
import { StatusDecoder } from './decode-status.ts';
import { PlainLines } from './plain-lines.ts';
import { RepeatedStatuses } from './repeated-statuses.ts';
import { ProgressScanner, type ScannedItem } from './scan-progress.ts';
import { StatusReplay } from './status-replay.ts';
import { type ReportedStep, StepTrace } from './step-trace.ts';

/** What buildx prints if the stream of BuildKit's statuses broke before its end. */
const BROKEN_OFF = 'failed to receive status';

export interface ProgressReaderOptions {
  /** Texts that the log must not show. */
  readonly hidden: readonly string[];
  /** Bytes that the log must not show in base64 or hexadecimal. */
  readonly hiddenBytes?: readonly Buffer[];
  /** Tags that the build pushes. */
  readonly tags: readonly string[];
  /** Changes statuses before they are read. Default: none are changed. */
  readonly filter?: ((status: SolveStatus) => SolveStatus) | undefined;
}

export interface ProgressReaderDeps {
  /** Takes records in order; the returned promise is backpressure. */
  deliver(records: readonly LogRecord[]): Promise<void>;
  /** Ms since the epoch. */
  now(): number;
}

/** Turns buildx's progress output (stderr) into log records. */
export class ProgressReader {
  readonly #scanner = new ProgressScanner();
  readonly #lines = new PlainLines();
  readonly #decoder: StatusDecoder;
  readonly #needles: readonly string[];
  readonly #deps: ProgressReaderDeps;
  readonly #replay = new StatusReplay();
  readonly #trace: StepTrace;
  readonly #options: ProgressReaderOptions;
  #repeated: RepeatedStatuses | undefined;

  constructor(options: ProgressReaderOptions, deps: ProgressReaderDeps, numbered = 0) {
    this.#options = options;
    this.#deps = deps;
    const { hidden, hiddenBytes = [] } = options;
    this.#needles = [...secretNeedles(hidden), ...bytesNeedles(hiddenBytes)].sort((a, b) => b.length - a.length);
    this.#decoder = new StatusDecoder(this.#needles, options.tags, numbered);
    this.#trace = new StepTrace((text) => maskText(text, this.#needles));
  }

  /**
   * Returns a reader for a run that repeats this one: it delivers nothing of the build's own steps, and numbers the others after this one's.
   * @param onBuilt called for a step that was not cached
   */
  repeated(onBuilt: (step: string) => void): ProgressReader {
    const again = new ProgressReader(this.#options, this.#deps, this.#decoder.numbered);
    const ends = this.#trace.steps.map(({ completedAt = 0 }) => completedAt);
    again.#repeated = new RepeatedStatuses(Math.max(0, ...ends), onBuilt);
    return again;
  }

  async push(data: Buffer): Promise<void> {
    for (const item of this.#scanner.push(data)) await this.#take(item);
  }

  /** Reads what is left after the last `push`. */
  async endOfText(): Promise<void> {
    for (const item of this.#scanner.end()) await this.#take(item);
  }

  /** Reads a replay of the build's statuses from the beginning, and delivers only what `push` hasn't delivered. */
  async takeRest(statuses: AsyncIterable<SolveStatus>): Promise<void> {
    const withoutDelivered = this.#replay.start();
    for await (const status of statuses) await this.#deliver(withoutDelivered(status));
  }

  /** Delivers what was held back. Nothing may be pushed afterwards. */
  async end(): Promise<void> {
    await this.#deps.deliver(this.#decoder.end());
  }

  async warn(message: string): Promise<void> {
    await this.#deps.deliver([{ t: this.#deps.now(), type: 'warning', message }]);
  }

  /** Whether BuildKit has reported the end of every step that it reported as started. */
  get idle(): boolean {
    return this.#decoder.idle;
  }

  /** Names of the steps that have started and not ended. */
  get running(): readonly string[] {
    return this.#decoder.running;
  }

  /** Whether buildx said that it didn't receive all statuses. */
  get brokenOff(): boolean {
    return this.#lines.list().some((line) => line.includes(BROKEN_OFF));
  }

  /** All steps so far, and how many were too many to remember. */
  get trace(): { readonly steps: readonly ReportedStep[]; readonly leftOut: number } {
    return { steps: this.#trace.steps, leftOut: this.#trace.leftOut };
  }

  facts() {
    const { counts, failed, pushed } = this.#decoder;
    return { counts, failed, pushed, lines: this.#lines.list() };
  }

  async #take(item: ScannedItem): Promise<void> {
    switch (item.type) {
      case 'status':
        return await this.#deliver(this.#filtered(solveStatus(item.value)));
      case 'dropped':
        return await this.warn(`${item.bytes} bytes of progress output were too long to read`);
      case 'line': {
        const line = maskText(item.text, this.#needles);
        this.#lines.push(line);
        if (line.startsWith('WARNING: ')) await this.warn(line.slice('WARNING: '.length));
      }
    }
  }

  #filtered(status: SolveStatus): SolveStatus {
    return this.#options.filter?.(status) ?? status;
  }

  async #deliver(all: SolveStatus): Promise<void> {
    const status = this.#repeated?.pass(all) ?? all;
    this.#replay.add(status);
    this.#trace.add(status);
    await this.#deps.deliver(this.#decoder.decode(status, this.#deps.now()));
  }
}
