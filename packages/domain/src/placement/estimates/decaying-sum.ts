/** A sum whose addends decay exponentially: after `memoryMs` an addend counts 1/e. */
export class DecayingSum {
  #value = 0;
  #at = 0;

  add(amount: number, now: number, memoryMs: number): void {
    this.#value = this.at(now, memoryMs) + amount;
    this.#at = now;
  }

  at(now: number, memoryMs: number): number {
    if (this.#value === 0) return 0;
    const age = now - this.#at;
    return age <= 0 ? this.#value : this.#value * Math.exp(-age / memoryMs);
  }

  /** Plain data, to be stored and restored. */
  get state(): { readonly value: number; readonly at: number } {
    return { value: this.#value, at: this.#at };
  }

  restore({ value, at }: { readonly value: number; readonly at: number }): void {
    this.#value = value;
    this.#at = at;
  }
}
