import type { PoolHost } from '../pool/pool-host.ts';
import { MinHeap } from './heap.ts';

/**
 * The few free hosts that look best for any cold run; only these are weighed exactly for each build. Scores only rise within a pass; a
 * host that has changed is returned to the heap and scored again.
 */
export class ColdWindow {
  readonly #others = new MinHeap<PoolHost>();
  readonly #score: (host: PoolHost) => number;
  readonly #size: number;
  readonly #hosts: PoolHost[] = [];

  /** `score`: Infinity for a host without room. */
  constructor(hosts: Iterable<PoolHost>, score: (host: PoolHost) => number, size: number) {
    this.#score = score;
    this.#size = size;
    for (const host of hosts) this.#others.append(score(host), host);
    this.#others.heapify();
  }

  changed(host: PoolHost): void {
    const at = this.#hosts.indexOf(host);
    if (at < 0) return;
    this.#hosts.splice(at, 1);
    this.#others.push(this.#score(host), host);
  }

  hosts(): readonly PoolHost[] {
    while (this.#hosts.length < this.#size && this.#others.firstKey < Number.POSITIVE_INFINITY) {
      const host = this.#others.first as PoolHost;
      const score = this.#score(host);
      if (score > this.#others.firstKey) {
        this.#others.rekeyFirst(score);
        continue;
      }
      this.#others.pop();
      this.#hosts.push(host);
    }
    return this.#hosts;
  }
}
