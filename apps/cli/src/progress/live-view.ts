import { bytes, type IdentifiedLogRecord, runText } from '@kiln/contracts';
import type { Channel } from '../io/output.ts';
import { tameLine } from '../io/tame-line.ts';
import { fit } from '../io/terminal-text.ts';
import { finishedLine, lineColumns, liveFrame } from './live-frame.ts';
import { LiveRegion } from './live-region.ts';
import { ProgressModel, type Step } from './model.ts';
import { CANCELING, type ProgressView, waitingText } from './view.ts';

/** 20 frames a second. */
const FRAME_MS = 50;
/** Steps of the current attempt that were printed for good, with their state then, by number. */
type Printed = Map<number, Step['state']>;

/** How far the reading or sending of the context is. Times in ms, amounts in bytes. */
interface ContextTransfer {
  readonly startedAt: number;
  readonly what: 'reading' | 'sending';
  done: number;
  readonly total: number | undefined;
}

/** Shows progress on a terminal: finished steps are printed for good, running ones are redrawn below them. */
export class LiveView implements ProgressView {
  readonly #channel: Channel;
  readonly #region: LiveRegion;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #onResize = () => this.#draw();
  #model = new ProgressModel();
  #printed: Printed = new Map();
  #above: string[] = [];
  #status = '';
  /** On which host the attempt runs, and why. */
  #placed = '';
  #transfer: ContextTransfer | undefined;
  /** The host's clock minus ours, ms. Kept at the greatest value seen, which has the least delay in it. */
  #clockSkew: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  /** On which host the build ran, and how many steps were cached. */
  #run = '';
  #closed = false;

  /** `now`: ms since the epoch. */
  constructor(channel: Channel, now: () => number) {
    this.#channel = channel;
    this.#region = new LiveRegion(channel);
    this.#now = now;
    this.#startedAt = now();
    channel.sink.on('resize', this.#onResize);
    this.#timer = setInterval(() => this.#draw(), FRAME_MS);
    this.#timer.unref();
  }

  say(message: string): void {
    if (this.#closed) this.#channel.line(`kiln: ${message}`);
    else this.#above.push(...message.split('\n').map((line, i) => (i === 0 ? `kiln: ${line}` : line)));
  }

  reading(readBytes: number, totalBytes: number): void {
    this.#transfer = {
      startedAt: this.#transfer?.startedAt ?? this.#now(),
      what: 'reading',
      done: readBytes,
      total: totalBytes,
    };
  }

  uploading(sentBytes: number, totalBytes: number | undefined): void {
    if (sentBytes === 0 || !this.#transfer)
      this.#transfer = { startedAt: this.#now(), what: 'sending', done: sentBytes, total: totalBytes };
    else this.#transfer.done = sentBytes;
  }

  uploaded(summary: string): void {
    const took = this.#transfer ? ` in ${((this.#now() - this.#transfer.startedAt) / 1000).toFixed(1)}s` : '';
    this.#transfer = undefined;
    this.#above.push(` => ${summary}${took}`);
  }

  waiting(reason: string, queue = ''): void {
    if (this.#status !== CANCELING) this.#status = waitingText(reason, queue);
  }

  placed(text: string): void {
    this.#placed = text;
  }

  record(record: IdentifiedLogRecord): void {
    const skew = record.t - this.#now();
    this.#clockSkew = Math.max(this.#clockSkew ?? skew, skew);
    this.#model.apply(record);
    // It waits no more.
    if (record.type === 'step' && this.#status.startsWith('waiting: ')) this.#status = '';
    switch (record.type) {
      case 'step':
        if (record.state !== 'pending' && record.state !== 'started') this.#finish(record.step);
        return;
      case 'note':
        if (this.#status !== CANCELING) this.#status = '';
        this.say(record.message);
        return;
      case 'warning':
        this.#above.push(`${this.#channel.style('yellow', 'WARN:')} ${tameLine(record.message, false)}`);
        return;
      case 'end':
        this.#ended = record.state !== 'queued';
        this.#run = runText({ ...record, ms: undefined });
        if (this.#ended) return;
        this.say(`attempt lost (${record.failure?.message ?? 'host lost'}); the build returns to the queue`);
        this.#printed = new Map();
        this.#placed = '';
        this.#status = 'queued again';
    }
  }

  canceling(): void {
    this.#status = CANCELING;
  }

  close(): void {
    if (this.#closed) return;
    this.#draw();
    this.#closed = true;
    clearInterval(this.#timer);
    this.#channel.sink.off('resize', this.#onResize);
    this.#region.close();
    const { size } = this.#printed;
    if (this.#ended && size > 0)
      this.#channel.line(`[+] Building ${this.#elapsed()} (${size}/${this.#model.steps.size}) FINISHED${this.#run}`);
  }

  /** Prints a finished step. BuildKit may complete a step more than once; it is printed again only if its state differs. */
  #finish(number: number): void {
    const step = this.#model.steps.get(number);
    if (!step || this.#printed.get(number) === step.state) return;
    this.#printed.set(number, step.state);
    this.#above.push(finishedLine(step, this.#channel));
  }

  #draw(): void {
    if (this.#closed) return;
    const above = this.#above.map((line) => fit(line, lineColumns(this.#channel)));
    this.#above = [];
    const hostNow = this.#now() + (this.#clockSkew ?? 0);
    const steps = [...this.#model.steps.values()];
    const frame = liveFrame(
      {
        running: steps.filter(({ state }) => state === 'started'),
        finishedSteps: this.#printed.size,
        knownSteps: steps.length,
        elapsedMs: this.#now() - this.#startedAt,
        status: this.#transfer ? this.#transferStatus(this.#transfer) : this.#status || this.#placed,
        hostNow,
      },
      this.#channel,
    );
    this.#region.draw(frame, above);
  }

  #transferStatus({ startedAt, what, done, total }: ContextTransfer): string {
    const perSecond = (done * 1000) / Math.max(1, this.#now() - startedAt);
    const of = total === undefined ? '' : ` / ${bytes(Math.max(total, done))}`;
    return `${what} context ${bytes(done)}${of}, ${bytes(Math.round(perSecond))}/s`;
  }

  #elapsed(): string {
    return `${((this.#now() - this.#startedAt) / 1000).toFixed(1)}s`;
  }
}
