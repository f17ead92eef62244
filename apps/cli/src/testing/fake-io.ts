import { EventEmitter } from 'node:events';
import { Channel, type Io, type TextSink } from '../io/output.ts';

/** A stream that collects what is written, and a terminal if it has a size. */
export class FakeSink extends EventEmitter implements TextSink {
  text = '';
  readonly isTTY: boolean;
  columns: number | undefined;
  rows: number | undefined;
  onWrite: (text: string) => void = () => {};

  constructor(size?: { columns: number; rows: number }) {
    super();
    this.isTTY = size !== undefined;
    this.columns = size?.columns;
    this.rows = size?.rows;
  }

  write(data: string | Uint8Array): boolean {
    const text = typeof data === 'string' ? data : Buffer.from(data).toString('latin1');
    this.text += text;
    this.onWrite(text);
    return true;
  }
}

export interface FakeIo extends Io {
  readonly stdout: FakeSink;
  readonly stderr: FakeSink;
  /** Presses Ctrl-C. */
  readonly interrupt: () => void;
  /** The codes passed to `exitNow`. */
  readonly exits: number[];
  /** Resolves when standard error contains `text`. */
  readonly said: (text: string) => Promise<void>;
}

export interface FakeIoOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: Uint8Array;
  /** Makes standard output and error a terminal of this size. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
}

/** A process for `runCli`. */
export function fakeIo(options: FakeIoOptions): FakeIo {
  const env = options.env ?? {};
  const [stdout, stderr] = [new FakeSink(options.terminal), new FakeSink(options.terminal)];
  const listeners = new Set<() => void>();
  const exits: number[] = [];
  return {
    stdout,
    stderr,
    exits,
    out: new Channel(stdout, env),
    err: new Channel(stderr, env),
    env,
    cwd: options.cwd ?? '/',
    stdin: stdinOf(options.stdin),
    now: Date.now,
    onInterrupt: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exitNow: (code) => void exits.push(code),
    interrupt: () => {
      for (const listener of listeners) listener();
    },
    said: (text) =>
      new Promise((resolve) => {
        const check = () => stderr.text.includes(text) && resolve();
        stderr.onWrite = check;
        check();
      }),
  };
}

async function* stdinOf(bytes: Uint8Array | undefined): AsyncGenerator<Uint8Array> {
  if (bytes) yield bytes;
}
