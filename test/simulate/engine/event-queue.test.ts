import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventQueue } from './event-queue.ts';

test('returns events by time, and those of one instant in the order in which they were added', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }), (times) => {
      const queue = new EventQueue<{ at: number; i: number }>();
      times.forEach((at, i) => {
        queue.add(at, { at, i });
      });
      const found: { at: number; i: number }[] = [];
      while (queue.nextAt !== undefined) {
        const { nextAt } = queue;
        const next = queue.take();
        expect(next?.at).toBe(nextAt);
        if (next) found.push(next);
      }
      expect(found).toEqual([...found].sort((a, b) => a.at - b.at || a.i - b.i));
      expect(found).toHaveLength(times.length);
      expect(queue.take()).toBeUndefined();
    }),
  );
});
