/** One thing found in buildx's progress output. */
export type ScannedItem =
  | { readonly type: 'status'; readonly value: Readonly<Record<string, unknown>> }
  | { readonly type: 'line'; readonly text: string }
  /** A JSON value longer than the scanner holds; `bytes` of it were thrown away. */
  | { readonly type: 'dropped'; readonly bytes: number };

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** One status object holds what BuildKit gathered in a tenth of a second; more than this is not progress output. */
const MAX_VALUE_BYTES = 32 * 1024 * 1024;
const MAX_LINE_BYTES = 64 * 1024;

/**
 * Splits `--progress=rawjson` into JSON objects and the plain lines between them, whatever the boundaries of the chunks.
 * An object begins at the first column and may span lines (buildx 0.13 indents) or not (later ones). What turns out not
 * to be JSON comes back as lines, so that nothing buildx says is lost. Holds at most one object, or one line.
 */
export class ProgressScanner {
  #held: Buffer[] = [];
  #heldBytes = 0;
  #mode: 'start' | 'value' | 'line' = 'start';
  #depth = 0;
  #inString = false;
  #escaped = false;
  #atLineStart = true;
  #droppedBytes = 0;

  push(chunk: Buffer): ScannedItem[] {
    const found: ScannedItem[] = [];
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.#mode === 'value' && this.#breaksValue(byte)) {
        this.#hold(chunk.subarray(from, i));
        from = i;
        found.push(...this.#giveUp());
      }
      if (this.#mode === 'start') {
        if (byte === NEWLINE) {
          from = i + 1;
          continue;
        }
        this.#begin(byte);
      }
      const ended = this.#mode === 'value' ? this.#endsValue(byte) : byte === NEWLINE;
      this.#atLineStart = byte === NEWLINE;
      if (ended) {
        this.#hold(chunk.subarray(from, i + 1));
        from = i + 1;
        found.push(...(this.#mode === 'value' ? this.#takeValue() : this.#takeLine()));
      }
    }
    this.#hold(chunk.subarray(from));
    return found;
  }

  /** What is left when the stream has ended. */
  end(): ScannedItem[] {
    if (this.#mode === 'value') return this.#giveUp();
    return this.#mode === 'line' ? this.#takeLine() : [];
  }

  #begin(byte: number): void {
    this.#mode = byte === OPEN ? 'value' : 'line';
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
    this.#atLineStart = false;
  }

  /** A bare newline inside a string, or another `{` at the first column: this was never a status object. */
  #breaksValue(byte: number): boolean {
    return this.#inString ? byte === NEWLINE : byte === OPEN && this.#atLineStart;
  }

  #endsValue(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return false;
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN) this.#depth++;
    else if (byte === CLOSE) this.#depth--;
    return byte === CLOSE && this.#depth === 0;
  }

  #hold(part: Buffer): void {
    const room = (this.#mode === 'value' ? MAX_VALUE_BYTES : MAX_LINE_BYTES) - this.#heldBytes;
    const kept = part.subarray(0, Math.max(0, room));
    if (kept.length > 0) this.#held.push(kept);
    this.#heldBytes += kept.length;
    this.#droppedBytes += part.length - kept.length;
  }

  #take(): { text: string; dropped: number } {
    const text = Buffer.concat(this.#held).toString('utf8');
    const dropped = this.#droppedBytes;
    this.#held = [];
    this.#heldBytes = 0;
    this.#droppedBytes = 0;
    this.#mode = 'start';
    return { text, dropped };
  }

  #takeValue(): ScannedItem[] {
    const bytes = this.#heldBytes;
    const { text, dropped } = this.#take();
    if (dropped > 0) return [{ type: 'dropped', bytes: bytes + dropped }];
    const value = parseObject(text);
    return value ? [{ type: 'status', value }] : asLines(text);
  }

  #takeLine(): ScannedItem[] {
    const { text, dropped } = this.#take();
    return asLines(dropped > 0 ? `${text.replace(/\n$/, '')}…` : text);
  }

  #giveUp(): ScannedItem[] {
    const bytes = this.#heldBytes;
    const { text, dropped } = this.#take();
    return dropped > 0 ? [{ type: 'dropped', bytes: bytes + dropped }] : asLines(text);
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function asLines(text: string): ScannedItem[] {
  return text
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .filter((line) => line.trim() !== '')
    .map((line) => ({ type: 'line', text: line }));
}
