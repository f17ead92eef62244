import { expect, test } from 'vitest';
import { parseTraceparent, traceIdOf } from './trace-context.ts';

const ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

test('a traceparent names the trace, the caller’s span and whether the caller records it', () => {
  const trace = { id: ID, parent: PARENT };
  expect(parseTraceparent(`00-${ID}-${PARENT}-01`)).toEqual({ trace, sampled: true });
  expect(parseTraceparent(`00-${ID}-${PARENT}-00`)).toEqual({ trace, sampled: false });
  // A later version may have more at its end.
  expect(parseTraceparent(`01-${ID}-${PARENT}-01-more`)).toEqual({ trace, sampled: true });
});

test.for([
  '',
  `00-${ID}-${PARENT}`,
  `00-${ID.toUpperCase()}-${PARENT}-01`,
  `00-${'0'.repeat(32)}-${PARENT}-01`,
  `00-${ID}-${'0'.repeat(16)}-01`,
  `ff-${ID}-${PARENT}-01`,
  `00-${ID}-${PARENT}-01-more`,
])('a traceparent of %j counts as absent', (header) => {
  expect(parseTraceparent(header)).toBeUndefined();
});

test('the trace of a build has the bits of its id', () => {
  expect(traceIdOf('00000000000000000000000001')).toBe('00000000000000000000000000000001');
  expect(traceIdOf('7zzzzzzzzzzzzzzzzzzzzzzzzz')).toBe('f'.repeat(32));
  expect(traceIdOf('01kaqz6w5h0123456789abcdef')).toMatch(/^[0-9a-f]{32}$/);
  expect(traceIdOf('01kaqz6w5h0123456789abcdef')).not.toBe(traceIdOf('01kaqz6w5h0123456789abcdeg'));
});
