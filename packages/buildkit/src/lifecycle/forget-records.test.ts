import { expect, test } from 'vitest';
import type { UsageRecord } from '../control/control-messages.ts';
import { suspects } from './forget-records.ts';

function record(id: string, parents: string[], fields: Partial<UsageRecord> = {}): UsageRecord {
  const times = { createdAt: 1, lastUsedAt: 1 };
  return { id, type: 'regular', description: '', bytes: 1, inUse: false, shared: false, ...times, parents, ...fields };
}

const RECORDS = [
  record('base', []),
  record('broken', ['base']),
  record('child', ['broken']),
  record('grandchild', ['other', 'child']),
  record('sibling', ['base']),
  record('other', []),
  record('busy', [], { inUse: true }),
  record('context', [], { type: 'source.local' }),
  record('mount', [], { type: 'exec.cachemount' }),
];

test('removes a damaged record with what was made from it and what it was made from', () => {
  expect(suspects(RECORDS, { records: ['broken', 'unknown'] }).sort()).toEqual([
    'base',
    'broken',
    'child',
    'grandchild',
  ]);
});

test('removes all layers and sources that are not in use if it is not known which are damaged, and no cache mount', () => {
  const all = ['base', 'broken', 'child', 'context', 'grandchild', 'other', 'sibling'];
  expect(suspects(RECORDS, {}).sort()).toEqual(all);
  expect(suspects(RECORDS, { records: ['unknown'] }).sort()).toEqual(all);
});

test('removes only sources if a source could not be read', () => {
  expect(suspects(RECORDS, { step: '[internal] load build context' })).toEqual(['context']);
});

test('removes a cache mount only if it is the damaged record', () => {
  expect(suspects(RECORDS, { records: ['mount'] })).toEqual(['mount']);
});

test('ends for records that are each other’s parents', () => {
  const loop = [record('a', ['b']), record('b', ['a'])];
  expect(suspects(loop, { records: ['a'] }).sort()).toEqual(['a', 'b']);
});
