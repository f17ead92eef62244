import { expect, test } from 'vitest';
import type { UsageRecord } from './control-messages.ts';
import { InventoryReader, mountId } from './inventory.ts';

const record = (fields: Partial<UsageRecord>): UsageRecord => ({
  id: 'r1',
  type: 'exec.cachemount',
  description: 'cached mount /c from exec /bin/sh -c x with id "ns//c"',
  bytes: 10,
  inUse: false,
  shared: false,
  createdAt: 1,
  lastUsedAt: 2,
  parents: [],
  ...fields,
});

test.each([
  [
    'cached mount /root/.npm from exec /bin/sh -c npm ci with id "0123456789abcdef//root/.npm"',
    '0123456789abcdef//root/.npm',
  ],
  ['cached mount /c from exec /bin/sh -c echo with id "x" with id "ns/real"', 'ns/real'],
  ['cached mount /c from exec /bin/sh -c printf "a\nb" with id "ns/a\\"b\\\\c"', 'ns/a"b\\c'],
  ['cached mount /c from exec x with id "ns/\\x07bell"', 'ns/\\x07bell'],
  ['cached mount /c/d from exec /bin/sh -c echo hello', '/c/d'],
  ['something else', 'something else'],
])('parses %j as the mount %s', (description, id) => {
  expect(mountId({ description })).toBe(id);
});

test('combines the records of a mount, and does not count what is shared with images against the budget', () => {
  const read = new InventoryReader(true).read(
    [
      record({ id: 'a', bytes: 10, lastUsedAt: 5 }),
      record({ id: 'b', bytes: 20, lastUsedAt: 9, inUse: true }),
      record({ id: 'l', type: 'regular', bytes: 100, parents: ['base'] }),
      record({ id: 'base', type: 'regular', bytes: 1_000, shared: true }),
      record({ id: 's', type: 'source.local', bytes: 3 }),
    ],
    77,
  );
  expect(read).toEqual({
    readAt: 77,
    sizesAreFloors: true,
    usedBytes: 133,
    mounts: [{ id: 'ns//c', bytes: 30, lastUsedAt: 9, inUse: true, records: ['a', 'b'] }],
    layers: [
      { id: 'l', bytes: 100, lastUsedAt: 2, parents: ['base'] },
      { id: 'base', bytes: 1_000, lastUsedAt: 2, parents: [] },
    ],
  });
});

test('reports the last known size of a mount that is in use', () => {
  const reader = new InventoryReader(false);
  const bytesOf = (fields: Partial<UsageRecord>) => reader.read([record(fields)], 1).mounts[0]?.bytes;
  expect(bytesOf({ bytes: 0, inUse: true })).toBe(0);
  expect(bytesOf({ bytes: 50 })).toBe(50);
  expect(bytesOf({ bytes: 0, inUse: true })).toBe(50);
  expect(bytesOf({ bytes: 0, inUse: true })).toBe(50);
  expect(bytesOf({ bytes: 0 })).toBe(0);
  expect(bytesOf({ id: 'another', bytes: 0, inUse: true })).toBe(0);
});
