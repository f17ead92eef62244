import { styleText } from 'node:util';
import { safeText } from '@kiln/contracts';

export type Style = Parameters<typeof styleText>[0];

/** The part of `process.stdout` that `Channel` uses. */
export interface TextSink {
  write(data: string | Uint8Array): boolean;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  once(event: 'drain', listener: () => void): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize' | 'drain', listener: () => void): unknown;
}

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** A standard stream and the properties of its terminal, if it is one. */
export class Channel {
  readonly sink: TextSink;
  readonly isTerminal: boolean;
  readonly hasColour: boolean;

  /** NO_COLOR and TERM=dumb in `env` turn colours off, FORCE_COLOR turns them on. */
  constructor(sink: TextSink, env: Readonly<Record<string, string | undefined>>) {
    this.sink = sink;
    this.isTerminal = sink.isTTY === true;
    const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0';
    const refused = Boolean(env.NO_COLOR) || env.TERM === 'dumb';
    this.hasColour = !refused && (forced || this.isTerminal);
  }

  get columns(): number {
    return this.sink.columns || DEFAULT_COLUMNS;
  }

  get rows(): number {
    return this.sink.rows || DEFAULT_ROWS;
  }

  /** Writes text. On a terminal, control sequences other than colours are removed, so that untrusted text can't control the terminal. */
  write(text: string): void {
    this.sink.write(this.shown(text));
  }

  line(text = ''): void {
    this.write(`${text}\n`);
  }

  /** Returns `text` as `write` would write it. */
  shown(text: string): string {
    return this.isTerminal ? safeText(text) : text;
  }

  /** Writes control sequences. All text between them must have passed through `shown`. */
  control(sequence: string): void {
    this.sink.write(sequence);
  }

  /** Writes bytes and waits until the reader is ready for more. */
  async writeBytes(data: Uint8Array): Promise<void> {
    if (this.sink.write(data)) return;
    await new Promise<void>((resolve) => {
      this.sink.once('drain', resolve);
    });
  }

  style(style: Style, text: string): string {
    return this.hasColour ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** The parts of the process that commands use. */
export interface Io {
  readonly out: Channel;
  readonly err: Channel;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: AsyncIterable<Uint8Array> & {
    readonly isTTY?: boolean | undefined;
    /** Only on a terminal: delivers every key immediately, without echo. */
    setRawMode?(isRaw: boolean): unknown;
    /** Lets the process end although input is still being read. */
    unref?(): unknown;
  };
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Calls `listener` at each Ctrl-C, SIGTERM or SIGHUP. Returns a function that stops this. */
  readonly onInterrupt: (listener: () => void) => () => void;
  /** Ends the process immediately, without waiting for pending work. */
  readonly exitNow: (code: number) => void;
}
