import type { PoolHost, Running } from './pool-host.ts';
import { expectedRest } from './residual.ts';

/** Slots that stand idle for a while because a build that needs several waits for more of them. */
interface Gap {
  readonly until: number;
  slots: number;
}

/** When the slots of one host come free, as one pass sees it: by what runs, and by what earlier builds of the pass will take. */
export class SlotTimeline {
  /** ms since the epoch, ascending; one entry a slot. */
  readonly #freeAt: number[];
  readonly #now: number;
  #gaps: Gap[] | undefined;

  constructor(host: PoolHost, now: number) {
    this.#now = now;
    const freeAt: number[] = [];
    for (const { startedAt, expectedMs, weight, spread } of host.running.values()) {
      const end = now + expectedRest(expectedMs, now - startedAt, spread);
      for (let i = 0; i < weight; i++) freeAt.push(end);
    }
    while (freeAt.length < host.view.slots) freeAt.push(now);
    // A host whose slots were taken from it by its operator runs more than it has: the first to end give nothing back.
    freeAt.sort((a, b) => a - b);
    if (freeAt.length > host.view.slots) freeAt.splice(0, freeAt.length - host.view.slots);
    this.#freeAt = freeAt;
  }

  /** When `weight` slots are free together, not before `notBefore`. Infinity where the host never has so many. */
  start(weight: number, notBefore: number): number {
    const at = this.#freeAt[weight - 1];
    return at === undefined ? Number.POSITIVE_INFINITY : Math.max(at, notBefore);
  }

  /** When a run that is under way is expected to end, as a time from `now` on, ms. */
  restOf({ startedAt, expectedMs, spread }: Running, now: number): number {
    return expectedRest(expectedMs, now - startedAt, spread);
  }

  /** Slots that are free now and promised to nobody. */
  get freeNow(): number {
    let free = 0;
    while (free < this.#freeAt.length && (this.#freeAt[free] as number) <= this.#now) free++;
    return free;
  }

  /** Whether a build of `weight` fits into slots that would stand idle for at least `runMs`. */
  fitsGap(weight: number, runMs: number): boolean {
    return this.#gaps?.some((gap) => gap.slots >= weight && this.#now + runMs <= gap.until) ?? false;
  }

  takeGap(weight: number, runMs: number): void {
    const gap = this.#gaps?.find(({ slots, until }) => slots >= weight && this.#now + runMs <= until);
    if (gap) gap.slots -= weight;
  }

  /** Takes `weight` slots from `start` on, for `runMs`: those that come free last before it, so that the others stay free longer. */
  take(weight: number, start: number, runMs: number): void {
    const freeAt = this.#freeAt;
    let last = freeAt.length - 1;
    while (last >= 0 && (freeAt[last] as number) > start) last--;
    const first = last - weight + 1;
    if (first < 0) return;
    const idle = freeAt.slice(first, last + 1).filter((at) => at <= this.#now).length;
    if (idle > 0 && start > this.#now) {
      this.#gaps ??= [];
      this.#gaps.push({ until: start, slots: idle });
    }
    freeAt.splice(first, weight);
    const end = start + runMs;
    let at = freeAt.length;
    while (at > 0 && (freeAt[at - 1] as number) > end) at--;
    for (let i = 0; i < weight; i++) freeAt.splice(at, 0, end);
  }
}
