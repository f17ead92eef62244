import { type SolveStatus, timeOf, type Vertex, type VertexLog } from '../control/solve-status.ts';

/** Two clocks that differ by a constant may show the same instant in adjacent ms. */
const ROUNDING_MS = 1;

/** An instant as it was delivered. */
interface Instant {
  readonly at: number;
  readonly text: string;
}

/**
 * Remembers which of a build's statuses have been delivered, and drops those from a replay of the same statuses. Output is counted in
 * bytes: a replay has the same bytes in the same order, but may cut them differently. Times are compared after subtracting a constant:
 * buildx shifts all times of a build so that its first step starts when buildx began to read, and BuildKit's own replay doesn't.
 */
export class StatusReplay {
  readonly #outputBytes = new Map<string, number>();
  readonly #started = new Map<string, Instant>();
  readonly #completed = new Map<string, Instant>();
  #firstStart: { readonly digest: string; readonly at: number } | undefined;
  #warnings = 0;

  /** Notes a status as delivered. */
  add(status: SolveStatus): void {
    for (const { digest, started, completed } of status.vertexes ?? []) {
      const start = instant(started);
      if (start) {
        this.#started.set(digest, start);
        this.#firstStart ??= { digest, at: start.at };
      }
      const end = instant(completed);
      if (end) this.#completed.set(digest, end);
    }
    for (const log of status.logs ?? []) {
      const key = streamOf(log);
      this.#outputBytes.set(key, (this.#outputBytes.get(key) ?? 0) + byteLength(log));
    }
    this.#warnings += status.warnings?.length ?? 0;
  }

  /**
   * Begins a replay from the build's first status. The returned function takes its statuses one after the other, and returns what
   * of each hadn't been delivered before the replay.
   */
  start(): (status: SolveStatus) => SolveStatus {
    const outputBytes = new Map(this.#outputBytes);
    const started = new Map(this.#started);
    const completed = new Map(this.#completed);
    const first = this.#firstStart;
    let shiftMs: number | undefined;
    let warnings = this.#warnings;
    const onDeliveredClock = (vertex: Vertex): Vertex => {
      const start = timeOf(vertex.started);
      if (shiftMs === undefined && start !== undefined && vertex.digest === first?.digest) shiftMs = first.at - start;
      return {
        ...vertex,
        ...(vertex.started !== undefined && { started: shifted(vertex.started, shiftMs, started.get(vertex.digest)) }),
        ...(vertex.completed !== undefined && {
          completed: shifted(vertex.completed, shiftMs, completed.get(vertex.digest)),
        }),
      };
    };
    return (status) => ({
      vertexes: (status.vertexes ?? []).map(onDeliveredClock).filter(
        // A vertex may start and complete several times: a start or end before the last delivered one is out of date.
        (vertex) =>
          isNotBefore(vertex.started, started.get(vertex.digest)) &&
          isNotBefore(vertex.completed, completed.get(vertex.digest)),
      ),
      statuses: (status.statuses ?? []).filter(({ vertex }) => !completed.has(vertex)),
      logs: (status.logs ?? []).flatMap((log) => {
        const key = streamOf(log);
        const delivered = outputBytes.get(key) ?? 0;
        if (delivered === 0) return [log];
        const bytes = bytesOf(log);
        outputBytes.set(key, Math.max(0, delivered - bytes.length));
        return delivered >= bytes.length ? [] : [{ ...log, data: bytes.subarray(delivered).toString('base64') }];
      }),
      warnings: (status.warnings ?? []).filter(() => warnings-- <= 0),
    });
  }
}

function instant(text: string | undefined): Instant | undefined {
  const at = timeOf(text);
  return at === undefined || text === undefined ? undefined : { at, text };
}

/** Returns a replayed time on the clock of the delivered ones; exactly `delivered`, if it is that instant. */
function shifted(text: string, shiftMs = 0, delivered?: Instant): string {
  const at = timeOf(text);
  if (at === undefined) return text;
  if (delivered && Math.abs(at + shiftMs - delivered.at) <= ROUNDING_MS) return delivered.text;
  return shiftMs === 0 ? text : new Date(at + shiftMs).toISOString();
}

function isNotBefore(text: string | undefined, delivered: Instant | undefined): boolean {
  const at = timeOf(text);
  return at === undefined || delivered === undefined || at >= delivered.at;
}

function streamOf({ vertex, stream }: VertexLog): string {
  return `${stream === 2 ? 2 : 1} ${vertex}`;
}

/** Computed without decoding, since it is needed for each line of every build. */
function byteLength({ data = '' }: VertexLog): number {
  const padding = data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0;
  return (data.length / 4) * 3 - padding;
}

function bytesOf({ data }: VertexLog): Buffer {
  return Buffer.from(data ?? '', 'base64');
}
