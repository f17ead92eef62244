import { type SolveStatus, timeOf, type VertexLog } from '../control/solve-status.ts';

/**
 * Remembers which of a build's statuses have been delivered, and drops those from a replay of the same statuses. Output is counted in
 * bytes: a replay has the same bytes in the same order, but may cut them differently.
 */
export class StatusReplay {
  readonly #outputBytes = new Map<string, number>();
  readonly #startedAt = new Map<string, number>();
  readonly #completedAt = new Map<string, number>();
  #warnings = 0;

  /** Notes a status as delivered. */
  add(status: SolveStatus): void {
    for (const { digest, started, completed } of status.vertexes ?? []) {
      const at = timeOf(started);
      if (at !== undefined) this.#startedAt.set(digest, at);
      const end = timeOf(completed);
      if (end !== undefined) this.#completedAt.set(digest, end);
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
    const startedAt = new Map(this.#startedAt);
    const completedAt = new Map(this.#completedAt);
    let warnings = this.#warnings;
    return (status) => ({
      vertexes: (status.vertexes ?? []).filter(
        // A vertex may start and complete several times: a start or end before the last delivered one is out of date.
        ({ digest, started, completed }) =>
          isNotBefore(started, startedAt.get(digest)) && isNotBefore(completed, completedAt.get(digest)),
      ),
      statuses: (status.statuses ?? []).filter(({ vertex }) => !completedAt.has(vertex)),
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

function isNotBefore(instant: string | undefined, delivered: number | undefined): boolean {
  const at = timeOf(instant);
  return at === undefined || delivered === undefined || at >= delivered;
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
