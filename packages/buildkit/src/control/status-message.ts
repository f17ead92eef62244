import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { msOf } from './control-messages.ts';
import type { StatusResponse } from './generated/moby/buildkit/v1/control_pb.ts';
import type { SolveStatus } from './solve-status.ts';

/** Converts BuildKit's status to the form in which buildx prints it. */
export function statusMessage({ vertexes, statuses, logs, warnings }: StatusResponse): SolveStatus {
  return {
    vertexes: vertexes.map(({ digest, inputs, name, cached, started, completed, error }) => ({
      digest,
      inputs,
      name: name || undefined,
      cached,
      started: instant(started),
      completed: instant(completed),
      error: error || undefined,
    })),
    statuses: statuses.map(({ id, vertex, name, current, total, timestamp, completed }) => ({
      id,
      vertex,
      name,
      current: Number(current),
      total: Number(total),
      timestamp: instant(timestamp),
      completed: instant(completed),
    })),
    logs: logs.map(({ vertex, stream, msg, timestamp }) => ({
      vertex,
      stream: Number(stream),
      data: base64(msg),
      timestamp: instant(timestamp),
    })),
    warnings: warnings.map(({ vertex, short, detail, url }) => ({
      vertex: vertex || undefined,
      short: base64(short),
      detail: detail.map(base64),
      url: url || undefined,
    })),
  };
}

function instant(time: Timestamp | undefined): string | undefined {
  return time && new Date(msOf(time)).toISOString();
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
