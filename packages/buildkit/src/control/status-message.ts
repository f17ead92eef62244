import { eachField, timestamp } from './control-messages.ts';
import type { SolveStatus, Vertex, VertexLog, VertexStatus, VertexWarning } from './solve-status.ts';

type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** StatusResponse: vertexes 1, statuses 2, logs 3, warnings 4; in the form in which buildx prints it. */
export function statusMessage(message: Uint8Array): SolveStatus {
  const vertexes: Vertex[] = [];
  const statuses: VertexStatus[] = [];
  const logs: VertexLog[] = [];
  const warnings: VertexWarning[] = [];
  eachField(message, (field, reader) => {
    if (field === 1) vertexes.push(vertex(reader.bytes()));
    else if (field === 2) statuses.push(status(reader.bytes()));
    else if (field === 3) logs.push(log(reader.bytes()));
    else if (field === 4) warnings.push(warning(reader.bytes()));
    else return false;
    return true;
  });
  return { vertexes, statuses, logs, warnings };
}

function vertex(message: Uint8Array): Vertex {
  const draft: Draft<Vertex> = { digest: '' };
  eachField(message, (field, reader) => {
    if (field === 1) draft.digest = reader.string();
    else if (field === 3) draft.name = reader.string();
    else if (field === 4) draft.cached = reader.bool();
    else if (field === 5) draft.started = instant(reader.bytes());
    else if (field === 6) draft.completed = instant(reader.bytes());
    else if (field === 7) draft.error = reader.string();
    else return false;
    return true;
  });
  return draft;
}

function status(message: Uint8Array): VertexStatus {
  const draft: Draft<VertexStatus> = { id: '', vertex: '' };
  eachField(message, (field, reader) => {
    if (field === 1) draft.id = reader.string();
    else if (field === 2) draft.vertex = reader.string();
    else if (field === 3) draft.name = reader.string();
    else if (field === 4) draft.current = Number(reader.int64());
    else if (field === 5) draft.total = Number(reader.int64());
    else if (field === 6) draft.timestamp = instant(reader.bytes());
    else if (field === 8) draft.completed = instant(reader.bytes());
    else return false;
    return true;
  });
  return draft;
}

function log(message: Uint8Array): VertexLog {
  const draft: Draft<VertexLog> = { vertex: '' };
  eachField(message, (field, reader) => {
    if (field === 1) draft.vertex = reader.string();
    else if (field === 2) draft.timestamp = instant(reader.bytes());
    else if (field === 3) draft.stream = Number(reader.int64());
    else if (field === 4) draft.data = base64(reader.bytes());
    else return false;
    return true;
  });
  return draft;
}

function warning(message: Uint8Array): VertexWarning {
  const draft: Draft<VertexWarning> = {};
  const detail: string[] = [];
  eachField(message, (field, reader) => {
    if (field === 1) draft.vertex = reader.string();
    else if (field === 3) draft.short = base64(reader.bytes());
    else if (field === 4) detail.push(base64(reader.bytes()));
    else if (field === 5) draft.url = reader.string();
    else return false;
    return true;
  });
  return { ...draft, detail };
}

function instant(message: Uint8Array): string {
  return new Date(timestamp(message)).toISOString();
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
