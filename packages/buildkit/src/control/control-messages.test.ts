import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { buildHistory, gcPolicies, pruneRequest, trimRequest, usageRecord } from './control-messages.ts';
import {
  BuildHistoryEventSchema,
  type BuildHistoryRecordSchema,
  DiskUsageResponseSchema,
  ListWorkersResponseSchema,
  PruneRequestSchema,
} from './generated/moby/buildkit/v1/control_pb.ts';

/** A `DiskUsageResponse` with one record, as BuildKit encodes it, with the unknown field 99. */
const RECORDED = Buffer.from(
  [
    '0a42',
    '0a03696431', // 1 id: id1
    '1801', // 3 in_use: true
    '2080e497d012', // 4 size: 5000000000
    '320a0880e2cfaa0610bf843d', // 6 created_at: 1700000000 s, 999999 ns
    '4a084772c3bcc39f6521', // 9 description: Grüße!
    '5207726567756c6172', // 10 record_type: regular
    '62027031', // 12 parents: p1
    '62027032', // 12 parents: p2
    '62027031', // 12 parents: p1
    '99060100000000000000', // 99, fixed64
  ].join(''),
  'hex',
);

test('reads a record of BuildKit’s disk usage, and ignores unknown fields', () => {
  const { record } = fromBinary(DiskUsageResponseSchema, RECORDED);
  expect(record.map(usageRecord)).toEqual([
    {
      id: 'id1',
      type: 'regular',
      description: 'Grüße!',
      bytes: 5e9,
      inUse: true,
      shared: false,
      createdAt: 1_700_000_000_000,
      lastUsedAt: 1_700_000_000_000,
      parents: ['p1', 'p2'],
    },
  ]);
});

test('requests to prune exactly the given records', () => {
  const request = toBinary(PruneRequestSchema, create(PruneRequestSchema, pruneRequest(['a', 'b'])));
  expect(Buffer.from(request).toString('latin1')).toBe('\n\x05id==a\n\x05id==b\x10\x01');
});

test('requests to trim with the limits of old and new versions of BuildKit', () => {
  const request = toBinary(PruneRequestSchema, create(PruneRequestSchema, trimRequest(300)));
  expect(Buffer.from(request).toString('hex')).toBe('100120ac0228ac02');
});

test('reads the larger limit of a garbage collection policy, and whether it has filters', () => {
  const response = create(ListWorkersResponseSchema, {
    record: [
      {
        gcPolicy: [
          { reservedSpace: 512n, filters: ['type==source.local'] },
          { reservedSpace: 10_000n },
          { reservedSpace: 2_000n, maxUsedSpace: 30_000n },
        ],
      },
    ],
  });
  expect(gcPolicies(response)).toEqual([
    { bytes: 512, filtered: true },
    { bytes: 10_000, filtered: false },
    { bytes: 30_000, filtered: false },
  ]);
});

test('reads how a build ended', () => {
  const history = (record: MessageInitShape<typeof BuildHistoryRecordSchema>) =>
    buildHistory(create(BuildHistoryEventSchema, { record }));
  const completedAt = { seconds: 1_700_000_000n, nanos: 0 };
  const exporterResponse = { 'containerimage.digest': 'sha256:1' };
  expect(history({})).toEqual({ completed: false, failed: false, metadata: {}, attestations: [] });
  expect(history({ completedAt, exporterResponse })).toEqual({
    completed: true,
    failed: false,
    metadata: exporterResponse,
    attestations: [],
  });
  const attested = (digest: string) => ({ attestations: [{ digest, size: 7n }] });
  expect(history({ result: attested('a'), results: { 'linux/amd64': attested('b') } }).attestations).toEqual([
    { digest: 'a', bytes: 7 },
    { digest: 'b', bytes: 7 },
  ]);
  expect(history({ completedAt, error: { code: 2, message: 'no such file' } })).toMatchObject({ failed: true });
});
