/**
 * The parts of BuildKit's `SolveStatus` that Kiln reads, as buildx prints it in JSON (moby/buildkit client/graph.go).
 * Times are RFC 3339 with nanoseconds. Any field may be absent, depending on the versions of buildx and BuildKit.
 */
export interface SolveStatus {
  readonly vertexes?: readonly Vertex[];
  readonly statuses?: readonly VertexStatus[];
  readonly logs?: readonly VertexLog[];
  readonly warnings?: readonly VertexWarning[];
}

export interface Vertex {
  readonly digest: string;
  /** Digests of the vertexes that it is based on. */
  readonly inputs?: readonly string[] | undefined;
  readonly name?: string | undefined;
  readonly started?: string | undefined;
  readonly completed?: string | undefined;
  readonly cached?: boolean | undefined;
  readonly error?: string | undefined;
}

export interface VertexStatus {
  readonly id: string;
  readonly vertex: string;
  readonly name?: string | undefined;
  readonly current?: number | undefined;
  readonly total?: number | undefined;
  readonly timestamp?: string | undefined;
  readonly completed?: string | undefined;
}

export interface VertexLog {
  readonly vertex: string;
  /** 1 is stdout, 2 is stderr. */
  readonly stream?: number | undefined;
  /** Base64. */
  readonly data?: string | undefined;
  readonly timestamp?: string | undefined;
}

export interface VertexWarning {
  readonly vertex?: string | undefined;
  /** Base64. */
  readonly short?: string | undefined;
  /** Lines, each in base64. */
  readonly detail?: readonly string[] | undefined;
  readonly url?: string | undefined;
}

/** Picks what has the form of a status; any other JSON becomes an empty one. */
export function solveStatus(value: Readonly<Record<string, unknown>>): SolveStatus {
  return {
    vertexes: listOf<Vertex>(value.vertexes, 'digest'),
    statuses: listOf<VertexStatus>(value.statuses, 'vertex'),
    logs: listOf<VertexLog>(value.logs, 'vertex'),
    warnings: listOf<VertexWarning>(value.warnings),
  };
}

/** Picks the objects of a list whose `key` is a string. */
function listOf<T>(value: unknown, key?: keyof T & string): T[] {
  if (!Array.isArray(value)) return [];
  return value.filter(
    (item): item is T =>
      typeof item === 'object' && item !== null && (key === undefined || typeof (item as T)[key] === 'string'),
  );
}

/** Returns ms since the epoch; undefined for an absent or invalid time, and for Go's zero time. */
export function timeOf(text: string | undefined): number | undefined {
  const at = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(at) || at <= 0 ? undefined : at;
}
