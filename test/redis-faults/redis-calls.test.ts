import { expect, test } from 'vitest';
import { failCalls } from './redis-calls.ts';

/** Scripts of a build's life. */
const SCRIPTS = [
  ...['accept-build', 'assign-build', 'start-attempt', 'pin-source', 'append-log', 'settle-attempt'],
  ...['cancel-build', 'reclaim-attempt', 'sync-host', 'lead'],
];

/** `npm run test:faults` does it for every call, this for the first of each command and script in each process. */
test('whichever call to Redis fails in a build’s life, and however: the build ends once, its slot is free, its log whole', async () => {
  const { calls, happened, missed, faults } = await failCalls({ which: 'first', lanes: 4 });
  expect(faults).toEqual([]);
  expect([...calls.values()].flat().map(({ name }) => name)).toEqual(expect.arrayContaining(SCRIPTS));
  // What the leader does only now and then may not come in time.
  expect(missed.filter((text) => SCRIPTS.some((name) => text.includes(name)))).toEqual([]);
  expect(happened).toBeGreaterThan(missed.length * 5);
}, 300_000);
