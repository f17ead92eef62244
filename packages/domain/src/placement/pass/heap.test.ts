import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MinHeap } from './heap.ts';

const keys = fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 40 });

function drain(heap: MinHeap<number>): number[] {
  const order: number[] = [];
  while (heap.size > 0) {
    expect(heap.firstKey).toBe(heap.first);
    order.push(heap.pop() as number);
  }
  return order;
}

test('returns pushed and heapified items in order', () => {
  fc.assert(
    fc.property(keys, keys, (appended, pushed) => {
      const heap = new MinHeap<number>();
      for (const key of appended) heap.append(key, key);
      heap.heapify();
      for (const key of pushed) heap.push(key, key);
      expect(drain(heap)).toEqual([...appended, ...pushed].sort((a, b) => a - b));
    }),
  );
});

test('moves a first item with a new key to its place', () => {
  fc.assert(
    fc.property(keys, fc.integer({ min: 0, max: 100 }), (values, more) => {
      const heap = new MinHeap<{ key: number }>();
      for (const key of values) heap.push(key, { key });
      if (heap.first) {
        heap.first.key += more;
        heap.rekeyFirst(heap.first.key);
      }
      const order: number[] = [];
      while (heap.size > 0) order.push(heap.pop()?.key as number);
      expect(order).toEqual([...order].sort((a, b) => a - b));
      expect(order.length).toBe(values.length);
    }),
  );
});

test('has no first item when empty', () => {
  const heap = new MinHeap<string>();
  heap.rekeyFirst(1);
  expect([heap.first, heap.pop(), heap.firstKey]).toEqual([undefined, undefined, Number.POSITIVE_INFINITY]);
});
