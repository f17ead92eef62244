/** An item of buildx's progress output. */
export type ScannedItem =
  | { readonly type: 'status'; readonly value: Readonly<Record<string, unknown>> }
  | { readonly type: 'line'; readonly text: string }
  /** A JSON value of `bytes` bytes that was too long, and was discarded. */
  | { readonly type: 'dropped'; readonly bytes: number };

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** One status object has what BuildKit collected in a tenth of a second; anything longer isn't progress output. */
const MAX_VALUE_BYTES = 32 * 1024 * 1024;
const MAX_LINE_BYTES = 64 * 1024;

/**
 * Splits `--progress=rawjson` into JSON objects and the plain lines between them, independent of chunk boundaries. An object begins at
 * the first column and may span lines (buildx 0.13 indents) or not (later versions). Text that turns out not to be JSON is returned as
 * lines, so that nothing buildx prints is lost. Buffers at most one object or one line.
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
    for (let at = 0; at < chunk.length; ) {
      if (this.#mode === 'start') {
        const byte = chunk[at];
        if (byte === NEWLINE) at++;
        else this.#begin(byte);
      } else if (this.#mode === 'line') {
        const newline = chunk.indexOf(NEWLINE, at);
        const to = newline === -1 ? chunk.length : newline + 1;
        this.#hold(chunk.subarray(at, to));
        at = to;
        if (newline !== -1) found.push(...this.#takeLine());
      } else {
        const { to, found: end } = this.#scanValue(chunk, at);
        this.#hold(chunk.subarray(at, to));
        at = to;
        if (end === 'whole') found.push(...this.#takeValue());
        else if (end === 'broken') found.push(...this.#giveUp());
      }
    }
    return found;
  }

  /** Returns the rest at the end of the stream. */
  end(): ScannedItem[] {
    if (this.#mode === 'value') return this.#giveUp();
    return this.#mode === 'line' ? this.#takeLine() : [];
  }

  #begin(byte: number | undefined): void {
    this.#mode = byte === OPEN ? 'value' : 'line';
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
    this.#atLineStart = false;
  }

  /**
   * Finds the end of the value in `chunk`: `whole`, `broken` if it isn't JSON (a newline within a string, another `{` at the first
   * column), or `more` if the chunk ends first. Every byte of a build's output goes through this loop, so it works on locals.
   */
  #scanValue(chunk: Buffer, from: number): { to: number; found: 'whole' | 'broken' | 'more' } {
    let depth = this.#depth;
    let inString = this.#inString;
    let escaped = this.#escaped;
    let atLineStart = this.#atLineStart;
    for (let i = from; i < chunk.length; i++) {
      const byte = chunk[i];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
        else if (byte === NEWLINE) return { to: i, found: 'broken' };
        continue;
      }
      if (byte === QUOTE) inString = true;
      else if (byte === OPEN) {
        if (atLineStart) return { to: i, found: 'broken' };
        depth++;
      } else if (byte === CLOSE && --depth === 0) return { to: i + 1, found: 'whole' };
      atLineStart = byte === NEWLINE;
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#escaped = escaped;
    this.#atLineStart = atLineStart;
    return { to: chunk.length, found: 'more' };
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
