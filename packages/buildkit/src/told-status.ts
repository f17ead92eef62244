import { type SolveStatus, timeOf, type VertexLog } from './solve-status.ts';

/**
 * What of a build's statuses was told already, so that of the same statuses told anew from the beginning only the rest is
 * taken. Output is counted in bytes: BuildKit keeps its order, but not how it is cut.
 */
export class ToldStatus {
  readonly #outputBytes = new Map<string, number>();
  readonly #startedAt = new Map<string, number>();
  readonly #completedAt = new Map<string, number>();
  #warnings = 0;

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

  /** For one telling from the beginning: cuts from each of its statuses what was told before. */
  rest(): (status: SolveStatus) => SolveStatus {
    const outputBytes = new Map(this.#outputBytes);
    const startedAt = new Map(this.#startedAt);
    const completedAt = new Map(this.#completedAt);
    let warnings = this.#warnings;
    return (status) => ({
      vertexes: (status.vertexes ?? []).filter(
        // A vertex may begin and end more than once; what came to this end before stands no longer.
        ({ digest, started, completed }) =>
          isFrom(started, startedAt.get(digest)) && isFrom(completed, completedAt.get(digest)),
      ),
      statuses: (status.statuses ?? []).filter(({ vertex }) => !completedAt.has(vertex)),
      logs: (status.logs ?? []).flatMap((log) => {
        const key = streamOf(log);
        const told = outputBytes.get(key) ?? 0;
        if (told === 0) return [log];
        const bytes = bytesOf(log);
        outputBytes.set(key, Math.max(0, told - bytes.length));
        return told >= bytes.length ? [] : [{ ...log, data: bytes.subarray(told).toString('base64') }];
      }),
      warnings: (status.warnings ?? []).filter(() => warnings-- <= 0),
    });
  }
}

function isFrom(instant: string | undefined, told: number | undefined): boolean {
  const at = timeOf(instant);
  return at === undefined || told === undefined || at >= told;
}

function streamOf({ vertex, stream }: VertexLog): string {
  return `${stream === 2 ? 2 : 1} ${vertex}`;
}

/** Without decoding: this is reckoned for each line of every build. */
function byteLength({ data = '' }: VertexLog): number {
  const padding = data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0;
  return (data.length / 4) * 3 - padding;
}

function bytesOf({ data }: VertexLog): Buffer {
  return Buffer.from(data ?? '', 'base64');
}
