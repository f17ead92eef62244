import { Duplex } from 'node:stream';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { expect, test } from 'vitest';
import { capOf } from '../lifecycle/cache-budget.ts';
import { BuildkitControl } from './buildkit-control.ts';
import { gcPolicies, pruneRequest, type UsageRecord, usageRecord, usageRecords } from './control-messages.ts';
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
])('the mount of %j is %s', (description, id) => {
  expect(mountId({ description })).toBe(id);
});

test('records of one mount count together; what images share doesn’t count against the budget', () => {
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

test('a mount keeps the size that it had before a build took it, and no other', () => {
  const reader = new InventoryReader(false);
  const bytesOf = (fields: Partial<UsageRecord>) => reader.read([record(fields)], 1).mounts[0]?.bytes;
  expect(bytesOf({ bytes: 0, inUse: true })).toBe(0);
  expect(bytesOf({ bytes: 50 })).toBe(50);
  expect(bytesOf({ bytes: 0, inUse: true })).toBe(50);
  expect(bytesOf({ bytes: 0, inUse: true })).toBe(50);
  expect(bytesOf({ bytes: 0 })).toBe(0);
  expect(bytesOf({ id: 'another', bytes: 0, inUse: true })).toBe(0);
});

test('reads BuildKit’s messages, passing over what it doesn’t know', () => {
  const timestamp = new BinaryWriter()
    .tag(1, WireType.Varint)
    .int64(1_700_000_000)
    .tag(2, WireType.Varint)
    .int32(999_999);
  const usage = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string('id1')
    .tag(3, WireType.Varint)
    .bool(true)
    .tag(4, WireType.Varint)
    .int64(5_000_000_000)
    .tag(6, WireType.LengthDelimited)
    .bytes(timestamp.finish())
    .tag(9, WireType.LengthDelimited)
    .string('Grüße')
    .tag(10, WireType.LengthDelimited)
    .string('regular')
    .tag(12, WireType.LengthDelimited)
    .string('p1')
    .tag(12, WireType.LengthDelimited)
    .string('p2')
    .tag(99, WireType.Bit64)
    .fixed64(1)
    .finish();
  const expected = {
    id: 'id1',
    type: 'regular',
    description: 'Grüße',
    bytes: 5e9,
    inUse: true,
    shared: false,
    createdAt: 1_700_000_000_000,
    lastUsedAt: 1_700_000_000_000,
    parents: ['p1', 'p2'],
  };
  expect(usageRecord(usage)).toEqual(expected);
  const response = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(usage);
  expect(usageRecords(response.tag(1, WireType.LengthDelimited).bytes(usage).finish())).toEqual([expected, expected]);
});

test('asks to prune just what it was told', () => {
  expect(Buffer.from(pruneRequest(['id==a', 'id==b'])).toString('latin1')).toBe('\n\x05id==a\n\x05id==b\x10\x01');
});

test('the budget is what the rules for everything let stand', () => {
  const policy = (fields: Record<number, number>, filter?: string) => {
    const writer = new BinaryWriter();
    for (const [field, value] of Object.entries(fields)) writer.tag(Number(field), WireType.Varint).int64(value);
    if (filter !== undefined) writer.tag(4, WireType.LengthDelimited).string(filter);
    return writer.finish();
  };
  const worker = (...policies: Uint8Array[]) => {
    const record = new BinaryWriter().tag(1, WireType.LengthDelimited).string('worker');
    for (const each of policies) record.tag(4, WireType.LengthDelimited).bytes(each);
    return new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(record.finish()).finish();
  };
  // As older BuildKits have it: keepBytes; and as later ones: reserved space, maximum, minimum free.
  expect(
    capOf(
      gcPolicies(worker(policy({ 3: 512 }, 'type==source.local'), policy({ 3: 10_000 }), policy({ 1: 1, 3: 10_000 }))),
    ),
  ).toBe(10_000);
  expect(capOf(gcPolicies(worker(policy({ 1: 1, 3: 2_000, 5: 30_000, 6: 99_999 }))))).toBe(30_000);
  expect(capOf(gcPolicies(worker(policy({ 3: 512 }, 'type==source.local'))))).toBe(0);
  expect(capOf([])).toBe(0);
});

test('a BuildKit that takes the call and says nothing, or hangs up, is an error', async () => {
  const mute = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  {
    await using control = await BuildkitControl.open(async () => mute);
    await expect(control.diskUsage(50)).rejects.toThrow('BuildKit: DiskUsage: no answer within 50 ms');
  }
  const gone = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  await using control = await BuildkitControl.open(async () => gone);
  await expect(control.diskUsage()).rejects.toThrow('BuildKit: DiskUsage: ');
});
