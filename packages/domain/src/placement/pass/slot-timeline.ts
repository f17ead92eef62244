import { expectedRest, type RunUnderWay } from '../estimates/residual.ts';
import type { PoolHost } from '../pool/pool-host.ts';

/** Slots that stay idle for a while because they are reserved for a wide build that waits for more of them. */
interface Gap {
  readonly until: number;
  slots: number;
}

/** When the slots of one host come free, given what runs there and what the pass has already reserved. */
export class SlotTimeline {
  /** ms since the epoch, ascending; one entry per slot. */
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
    // After its operator has reduced its slots, a host may run more builds than it has slots: the first to end free none.
    if (this.#freeAt.length > slots) this.#freeAt.splice(0, this.#freeAt.length - slots);
  }

  /** Returns when a run, or a seed, under way is expected to end. */
  endOf({ startedAt, expectedMs, spread }: RunUnderWay): number {
    return this.#now + expectedRest(expectedMs, this.#now - startedAt, spread);
  }

  /** Returns when `weight` slots are free together, at `notBefore` at the earliest; Infinity if the host has fewer slots. */
  start(weight: number, notBefore: number): number {
    const at = this.#freeAt[weight - 1];
    return at === undefined ? Number.POSITIVE_INFINITY : Math.max(at, notBefore);
  }

  /** Slots that are free now and not reserved. */
  get freeNow(): number {
    let free = 0;
    while (free < this.#freeAt.length && (this.#freeAt[free] as number) <= this.#now) free++;
    return free;
  }

  /** Returns whether a build fits into slots that are free now but reserved for later by a wider build: it must end before then. */
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

  /** Takes `weight` slots from `start` on, for `runMs`. Of those free by then it takes the last to come free, which leaves the others free for longer. */
  take(weight: number, start: number, runMs: number): void {
    const freeAt = this.#freeAt;
    let last = freeAt.length - 1;
    while (last >= 0 && (freeAt[last] as number) > start) last--;
    const first = last - weight + 1;
    if (first < 0) return;
    if (start > this.#now) this.#leaveGap(freeAt.slice(first, last + 1), start);
    freeAt.splice(first, weight);
    // A slot that was taken must not count as free in the same instant, however short the run.
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
