import { expect, test } from 'vitest';
import { failCalls } from './redis-calls.ts';

/** Scripts that run in a build's life. */
const SCRIPTS = [
  ...['accept-build', 'assign-build', 'start-attempt', 'pin-source', 'append-log', 'settle-attempt'],
  ...['cancel-build', 'reclaim-attempt', 'sync-host', 'lead'],
  ...['charge-blob', 'add-charge'],
];

/** `npm run test:faults` covers every call and fault; this test covers the first call of each command and script in each process. */
test('whichever Redis call fails in a build’s life, and however, the build ends once, its slot is freed, and its log is whole', async () => {
  const { calls, happened, missed, faults } = await failCalls({ which: 'first', lanes: 8 });
  expect(faults).toEqual([]);
  expect([...calls.values()].flat().map(({ name }) => name)).toEqual(expect.arrayContaining(SCRIPTS));
  // Calls that the leader makes only from time to time may not come in time; the scripts of a build's life must.
  expect(missed.filter((text) => SCRIPTS.some((name) => text.includes(name)))).toEqual([]);
  expect(happened).toBeGreaterThan(missed.length * 5);
}, 300_000);
