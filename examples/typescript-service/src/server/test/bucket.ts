import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullWeight } from '../../shared/flag.ts';
import { bucketOf } from '../domain/bucket.ts';

test('a value always falls into the same bucket', () => {
  assert.equal(bucketOf('flag', 'user-1'), bucketOf('flag', 'user-1'));
});

test('buckets are spread evenly over similar values', () => {
  const tenths = new Array<number>(10).fill(0);
  const samples = 20_000;
  for (let user = 0; user < samples; user += 1) {
    const tenth = Math.floor((bucketOf('flag', `user-${user}`) * 10) / fullWeight);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  for (const count of tenths) {
    assert.ok(Math.abs(count - samples / 10) < samples / 100, `a tenth holds ${count} of ${samples}`);
  }
});

test('being early for one flag says nothing about another', () => {
  const users = Array.from({ length: 10_000 }, (_, index) => `user-${index}`);
  const early = users.filter((user) => bucketOf('first', user) < fullWeight / 10);
  const earlyTwice = early.filter((user) => bucketOf('second', user) < fullWeight / 10);
  const share = earlyTwice.length / early.length;
  assert.ok(share > 0.06 && share < 0.14, `a share of ${share} is early for both`);
});
