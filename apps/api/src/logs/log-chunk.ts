import { type EndRecord, type LogRecord, PlainRenderer } from '@kiln/contracts';

export type LogFormat = 'sse' | 'ndjson' | 'text';

/** The state of a reader's plain text, from which rendering continues. */
export interface TextState {
  readonly renderer: PlainRenderer;
  /** Whether everything since the attempt's first record was rendered; then the text of a chunk is the same for all readers. */
  readonly isWhole: boolean;
}

const NEWLINE = '\n';

/**
 * Consecutive records of one attempt. Immutable; each encoding is made once, however many readers there are, and the same Buffer goes to
 * every socket.
 */
export class LogChunk {
  readonly attempt: number;
  readonly firstSeq: number;
  /** Records as stored: JSON without an id. */
  readonly lines: readonly string[];
  /** The record that closes the attempt, if it is the last one here. */
  readonly end: EndRecord | undefined;
  /** Characters of JSON, for budgets. */
  readonly sizeChars: number;
  #sse: Buffer | undefined;
  #ndjson: Buffer | undefined;
  #text: { bytes: Buffer; after: TextState } | undefined;

  constructor(attempt: number, firstSeq: number, lines: readonly string[]) {
    this.attempt = attempt;
    this.firstSeq = firstSeq;
    this.lines = lines;
    this.end = endOf(lines.at(-1));
    this.sizeChars = lines.reduce((sum, line) => sum + line.length + 1, 0);
  }

  get lastSeq(): number {
    return this.firstSeq + this.lines.length - 1;
  }

  /** The records after `seq`; this chunk itself if it has only those. */
  after(seq: number): LogChunk {
    return seq < this.firstSeq ? this : new LogChunk(this.attempt, seq + 1, this.lines.slice(seq + 1 - this.firstSeq));
  }

  /** Encodes the records as server-sent events. */
  sse(): Buffer {
    this.#sse ??= this.#encode((id, line) => `id: ${id}\nevent: ${typeOf(line)}\ndata: ${identified(id, line)}\n\n`);
    return this.#sse;
  }

  /** Encodes the records as lines of JSON, each with its id. */
  ndjson(): Buffer {
    this.#ndjson ??= this.#encode((id, line) => identified(id, line) + NEWLINE);
    return this.#ndjson;
  }

  /** Renders the records as plain text, and returns the state to continue from. */
  text(before: TextState | undefined): { bytes: Buffer; after: TextState } {
    const isWhole = before ? before.isWhole : this.firstSeq === 1;
    if (isWhole && this.#text) return this.#text;
    const renderer = before?.renderer.clone() ?? new PlainRenderer();
    const text = this.lines.map((line) => renderer.render(JSON.parse(line) as LogRecord)).join('');
    const rendered = { bytes: Buffer.from(text), after: { renderer, isWhole } };
    if (isWhole) this.#text = rendered;
    return rendered;
  }

  #encode(frame: (id: string, line: string) => string): Buffer {
    return Buffer.from(this.lines.map((line, i) => frame(`${this.attempt}.${this.firstSeq + i}`, line)).join(''));
  }
}

/** The record with its id first, spliced in as text: parsing 50 MB to write them again would be most of the work. */
function identified(id: string, line: string): string {
  return `{"id":"${id}",${line.slice(1)}`;
}

/** JSON strings contain no unescaped `"`, so this matches the key and not a build's output; no record nests another `type`. */
const TYPE = /"type":"([a-z]+)"/;

function typeOf(line: string): string {
  return TYPE.exec(line)?.[1] ?? (JSON.parse(line) as LogRecord).type;
}

function endOf(line: string | undefined): EndRecord | undefined {
  if (line === undefined || !line.includes('"end"')) return undefined;
  const record = JSON.parse(line) as LogRecord;
  return record.type === 'end' ? record : undefined;
}
