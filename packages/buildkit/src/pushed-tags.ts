import type { Vertex, VertexStatus } from './solve-status.ts';
import { timeOf } from './solve-status.ts';

/**
 * Which tags have been pushed, as BuildKit reports it while it goes: a canceled build has to say so.
 * BuildKit's own exporter has a status `pushing manifest for <ref>@<digest>` for each tag; the `docker` driver with the
 * classic image store lets the engine push, in a step `pushing <ref> with docker` for each.
 */
export class PushedTags {
  /** What the build pushes, by the full name under which BuildKit speaks of it. */
  readonly #wanted: ReadonlyMap<string, string>;
  readonly #done = new Set<string>();

  constructor(tags: readonly string[]) {
    this.#wanted = new Map(tags.map((tag) => [fullReference(tag), tag]));
  }

  onStatus(status: VertexStatus): void {
    if (timeOf(status.completed) === undefined) return;
    const match = /^pushing manifest for (\S+?)(?:@sha256:[0-9a-f]+)?$/.exec(status.name || status.id);
    if (match?.[1]) this.#add(match[1]);
  }

  onVertex(vertex: Vertex): void {
    if (timeOf(vertex.completed) === undefined || vertex.error) return;
    const match = /^pushing (\S+) with docker$/.exec(vertex.name ?? '');
    if (match?.[1]) this.#add(match[1]);
  }

  list(): string[] {
    return [...this.#done];
  }

  #add(reference: string): void {
    const tag = this.#wanted.get(fullReference(reference));
    if (tag !== undefined) this.#done.add(tag);
  }
}

/** `app` is `docker.io/library/app:latest` (distribution/reference, "normalized"). */
export function fullReference(tag: string): string {
  const [first = '', ...more] = tag.split('/');
  const hasHost = more.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const host = hasHost ? first : 'docker.io';
  const path = hasHost ? more.join('/') : more.length > 0 ? tag : `library/${tag}`;
  return `${host}/${/:[^/]+$/.test(path) ? path : `${path}:latest`}`;
}
