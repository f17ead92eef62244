import { parseReference, taggedName } from '@kiln/domain';
import { timeOf, type Vertex, type VertexStatus } from '../control/solve-status.ts';

/**
 * Tracks which tags have been pushed, since a canceled build must report them. BuildKit's exporter has a status `pushing manifest for
 * <ref>@<digest>` for each tag; with the `docker` driver the engine pushes (too), in a step `pushing <ref> with docker` for each, which has its target before it if there are several. The status
 * of a failed or canceled push ends like that of a successful one, so it counts only once the exporter has continued with something else,
 * or has ended without an error.
 */
export class PushedTags {
  /** Tags that the build pushes, by the full reference that BuildKit reports. */
  readonly #wanted: ReadonlyMap<string, string>;
  readonly #done = new Set<string>();
  /** By exporting step: the reference whose status has ended, but whose push isn't proven. */
  readonly #unproven = new Map<string, string>();

  constructor(tags: readonly string[]) {
    this.#wanted = new Map(tags.map((tag) => [fullName(tag), tag]));
  }

  onStatus(status: VertexStatus): void {
    const id = status.name || status.id;
    const reference = /^pushing manifest for (\S+?)(?:@sha256:[0-9a-f]+)?$/.exec(id)?.[1];
    const before = this.#unproven.get(status.vertex);
    if (before !== undefined && before !== reference) this.#prove(status.vertex, before);
    if (reference !== undefined && timeOf(status.completed) !== undefined) this.#unproven.set(status.vertex, reference);
  }

  onVertex(vertex: Vertex): void {
    if (timeOf(vertex.completed) === undefined) return;
    const exported = this.#unproven.get(vertex.digest);
    const pushed = /^(?:\[[^\]\s]+\] )?pushing (\S+) with docker$/.exec(vertex.name ?? '')?.[1];
    if (vertex.error) this.#unproven.delete(vertex.digest);
    else if (exported !== undefined) this.#prove(vertex.digest, exported);
    else if (pushed !== undefined) this.#add(pushed);
  }

  #prove(vertex: string, reference: string): void {
    this.#unproven.delete(vertex);
    this.#add(reference);
  }

  list(): string[] {
    return [...this.#done];
  }

  #add(reference: string): void {
    const tag = this.#wanted.get(fullName(reference));
    if (tag !== undefined) this.#done.add(tag);
  }
}

function fullName(text: string): string {
  const reference = parseReference(text);
  return reference ? taggedName(reference) : text;
}
