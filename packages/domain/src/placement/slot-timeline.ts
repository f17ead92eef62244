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
  readonly #freeAt: number[] = [];
  readonly #now: number;
  #gaps: Gap[] | undefined;

  constructor(host: PoolHost, now: number) {
    this.#now = now;
    const { slots } = host.view;
    for (const running of host.running.values()) {
      const end = this.endOf(running);
      for (let i = 0; i < running.weight; i++) this.#freeAt.push(end);
    }
    while (this.#freeAt.length < slots) this.#freeAt.push(now);
    this.#freeAt.sort((a, b) => a - b);
    // A host whose slots its operator took away runs more than it has: the first to end give nothing back.
    if (this.#freeAt.length > slots) this.#freeAt.splice(0, this.#freeAt.length - slots);
  }

  /** When a run that is under way is expected to end. */
  endOf({ startedAt, expectedMs, spread }: Running): number {
    return this.#now + expectedRest(expectedMs, this.#now - startedAt, spread);
  }

  /** When `weight` slots are free together, not before `notBefore`. Infinity where the host never has so many. */
  start(weight: number, notBefore: number): number {
    const at = this.#freeAt[weight - 1];
    return at === undefined ? Number.POSITIVE_INFINITY : Math.max(at, notBefore);
  }

  /** Slots that are free now and promised to nobody. */
  get freeNow(): number {
    let free = 0;
    while (free < this.#freeAt.length && (this.#freeAt[free] as number) <= this.#now) free++;
    return free;
  }

  /** Slots that are free now but promised to a wider build that waits for more: a build that ends before may have them. */
  gap(weight: number, runMs: number): boolean {
    return this.#gaps?.some((gap) => fits(gap, weight, this.#now + runMs)) ?? false;
  }

  takeGap(weight: number, runMs: number): void {
    const gap = this.#gaps?.find((one) => fits(one, weight, this.#now + runMs));
    if (gap) gap.slots -= weight;
  }

  get hasGap(): boolean {
    return this.#gaps?.some(({ slots }) => slots > 0) ?? false;
  }

  /** Takes `weight` slots from `start` on, for `runMs`: those that come free last before it, so that the others stay free longer. */
  take(weight: number, start: number, runMs: number): void {
    const freeAt = this.#freeAt;
    let last = freeAt.length - 1;
    while (last >= 0 && (freeAt[last] as number) > start) last--;
    const first = last - weight + 1;
    if (first < 0) return;
    if (start > this.#now) this.#leaveGap(freeAt.slice(first, last + 1), start);
    freeAt.splice(first, weight);
    // Never within the same instant: a slot that is given away is gone, however short the run.
    const end = start + Math.max(1, runMs);
    let at = freeAt.length;
    while (at > 0 && (freeAt[at - 1] as number) > end) at--;
    for (let i = 0; i < weight; i++) freeAt.splice(at, 0, end);
  }

  #leaveGap(taken: readonly number[], until: number): void {
    const slots = taken.filter((at) => at <= this.#now).length;
    if (slots === 0) return;
    this.#gaps ??= [];
    this.#gaps.push({ until, slots });
  }
}

function fits({ slots, until }: Gap, weight: number, end: number): boolean {
  return slots >= weight && end <= until;
}
