const CR = 13;
const LF = 10;

/** Types of RESP2 and RESP3 that consist of one line. The line of other types says how much follows. */
const LINES = new Set('+-:_#,('.split(''));
const BULKS = new Set('$!='.split(''));
/** How many values follow for each counted element. */
const AGGREGATES: Readonly<Record<string, number>> = { '*': 1, '~': 1, '>': 1, '%': 2, '|': 2 };

/** The end of the value that begins at `start`; undefined if it isn't complete yet. */
export function valueEnd(buffer: Buffer, start: number): number | undefined {
  const newline = buffer.indexOf(LF, start);
  if (newline < 0) return undefined;
  const type = String.fromCharCode(buffer[start] ?? 0);
  const length = Number(buffer.toString('latin1', start + 1, newline - 1));
  const end = newline + 1;
  if (LINES.has(type)) return end;
  if (BULKS.has(type)) {
    const after = length < 0 ? end : end + length + 2;
    return after <= buffer.length ? after : undefined;
  }
  const each = AGGREGATES[type];
  if (each === undefined) throw new RangeError(`no RESP value begins with ${JSON.stringify(type)}`);
  let at: number | undefined = end;
  // An attribute is followed by the value that it belongs to.
  const count = length * each + (type === '|' ? 1 : 0);
  for (let i = 0; i < count && at !== undefined; i++) at = at < buffer.length ? valueEnd(buffer, at) : undefined;
  return at;
}

/** The arguments of a command, as clients send them: an array of bulk strings. */
export function commandArgs(value: Buffer): Buffer[] {
  const args: Buffer[] = [];
  for (let at = value.indexOf(LF) + 1; at < value.length; ) {
    const newline = value.indexOf(LF, at);
    const length = Number(value.toString('latin1', at + 1, newline - 1));
    args.push(value.subarray(newline + 1, newline + 1 + length));
    at = newline + 1 + length + 2;
  }
  return args;
}

export function errorReply(text: string): Buffer {
  return Buffer.from(`-${text}${String.fromCharCode(CR, LF)}`);
}

/** Cuts a stream of bytes into whole RESP values. */
export class RespCutter {
  #rest: Buffer = Buffer.alloc(0);

  take(chunk: Buffer): Buffer[] {
    const buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const values: Buffer[] = [];
    let start = 0;
    for (let end = cut(buffer, 0); end !== undefined; end = cut(buffer, start)) {
      values.push(buffer.subarray(start, end));
      start = end;
    }
    this.#rest = buffer.subarray(start);
    return values;
  }
}

function cut(buffer: Buffer, start: number): number | undefined {
  return start < buffer.length ? valueEnd(buffer, start) : undefined;
}
