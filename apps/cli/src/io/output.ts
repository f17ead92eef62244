import { styleText } from 'node:util';
import { safeText } from '@kiln/contracts';

export type Style = Parameters<typeof styleText>[0];

/** What `Channel` needs of a stream; `process.stdout` is one. */
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

/** One of the two standard streams, with what is known of the terminal behind it. */
export class Channel {
  readonly sink: TextSink;
  readonly isTerminal: boolean;
  readonly hasColour: boolean;

  /** `env`: NO_COLOR and TERM=dumb turn colours off, FORCE_COLOR turns them on. */
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

  /** Text with colours at most: on a terminal other control sequences in it, whoever put them there, are left out. */
  write(text: string): void {
    this.sink.write(this.shown(text));
  }

  line(text = ''): void {
    this.write(`${text}\n`);
  }

  /** `text` as `write` writes it. */
  shown(text: string): string {
    return this.isTerminal ? safeText(text) : text;
  }

  /** Orders to the terminal, all text in them `shown`. */
  control(sequence: string): void {
    this.sink.write(sequence);
  }

  /** Writes, and waits where the reader is slower. */
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

/** Everything that a command takes from its process. */
export interface Io {
  readonly out: Channel;
  readonly err: Channel;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: AsyncIterable<Uint8Array> & {
    readonly isTTY?: boolean | undefined;
    /** Of a terminal: gives every key at once, and shows none. */
    setRawMode?(isRaw: boolean): unknown;
  };
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Calls `listener` at each Ctrl-C, SIGTERM or SIGHUP; gives back how to stop that. */
  readonly onInterrupt: (listener: () => void) => () => void;
  /** Leaves at once, with whatever is still under way. */
  readonly exitNow: (code: number) => void;
}
