/** A binary min-heap. Keys are kept in an array of their own, so that a pass allocates little. */
export class MinHeap<T> {
  readonly #keys: number[] = [];
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Key of the first item; Infinity if the heap is empty. */
  get firstKey(): number {
    return this.#keys[0] ?? Number.POSITIVE_INFINITY;
  }

  /** All items, unordered. */
  get items(): readonly T[] {
    return this.#items;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  push(key: number, item: T): void {
    this.#keys.push(key);
    this.#items.push(item);
    this.#rise(this.#items.length - 1, key, item);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    const key = this.#keys.pop();
    const item = this.#items.pop();
    if (this.#items.length > 0) this.#sink(0, key as number, item as T);
    return first;
  }

  /** Changes the key of the first item. */
  rekeyFirst(key: number): void {
    if (this.#items.length > 0) this.#sink(0, key, this.#items[0] as T);
  }

  /** Adds an item without restoring the order; `heapify` must follow. Filling a heap this way is cheaper than pushing. */
  append(key: number, item: T): void {
    this.#keys.push(key);
    this.#items.push(item);
  }

  heapify(): void {
    for (let i = (this.#items.length >> 1) - 1; i >= 0; i--) {
      this.#sink(i, this.#keys[i] as number, this.#items[i] as T);
    }
  }

  #rise(from: number, key: number, item: T): void {
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((this.#keys[parent] as number) <= key) break;
      this.#keys[i] = this.#keys[parent] as number;
      this.#items[i] = this.#items[parent] as T;
      i = parent;
    }
    this.#keys[i] = key;
    this.#items[i] = item;
  }

  #sink(from: number, key: number, item: T): void {
    const size = this.#items.length;
    let i = from;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && (this.#keys[child + 1] as number) < (this.#keys[child] as number)) child++;
      if ((this.#keys[child] as number) >= key) break;
      this.#keys[i] = this.#keys[child] as number;
      this.#items[i] = this.#items[child] as T;
      i = child;
    }
    this.#keys[i] = key;
    this.#items[i] = item;
  }
}
