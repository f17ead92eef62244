import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rule } from '../../shared/flag.ts';
import type { Segment } from '../../shared/segment.ts';
import { evaluate } from '../domain/evaluate.ts';
import { storedFlag } from './support/fixtures.ts';

const noSegments = () => undefined;
const staff: Segment = {
  key: 'staff',
  name: 'Staff',
  conditions: [{ attribute: 'email', operator: 'ends_with', values: ['@example.com'] }],
  revision: 1,
  updatedAt: '2026-01-01T00:00:00.000Z',
};
const serveOn: Pick<Rule, 'serve'> = { serve: { kind: 'fixed', variant: 'on' } };
const offByDefault = { enabled: true, fallthrough: { kind: 'fixed', variant: 'off' } } as const;

test('a flag that is off serves its off variant, whatever the rules say', () => {
  const flag = storedFlag({ rules: [{ segment: null, conditions: [], ...serveOn }] });
  const evaluation = evaluate(flag, 'production', { key: 'a', attributes: {} }, noSegments);
  assert.deepEqual(evaluation, { flag: 'new-checkout', variant: 'off', value: false, reason: { kind: 'off' } });
});

test('the first rule that applies decides', () => {
  const flag = storedFlag({
    ...offByDefault,
    rules: [
      { segment: null, conditions: [{ attribute: 'plan', operator: 'equals', values: ['team'] }], ...serveOn },
      { segment: 'staff', conditions: [], ...serveOn },
    ],
  });
  const segments = (key: string) => (key === 'staff' ? staff : undefined);
  const reasonFor = (attributes: Record<string, string>) =>
    evaluate(flag, 'production', { key: 'a', attributes }, segments).reason;

  assert.deepEqual(reasonFor({ plan: 'team', email: 'a@example.com' }), { kind: 'rule', index: 0 });
  assert.deepEqual(reasonFor({ email: 'a@example.com' }), { kind: 'rule', index: 1 });
  assert.deepEqual(reasonFor({ email: 'a@elsewhere.net' }), { kind: 'fallthrough' });
});

test('a split serves its shares, and a growing share keeps those it had', () => {
  const servedAt = (weight: number) => {
    const flag = storedFlag({
      enabled: true,
      fallthrough: {
        kind: 'split',
        by: 'account',
        shares: [
          { variant: 'on', weight },
          { variant: 'off', weight: 10_000 - weight },
        ],
      },
    });
    const accounts = Array.from({ length: 2_000 }, (_, index) => `account-${index}`);
    return new Set(
      accounts.filter(
        (account) => evaluate(flag, 'production', { key: 'a', attributes: { account } }, noSegments).value,
      ),
    );
  };
  const fifth = servedAt(2_000);
  const half = servedAt(5_000);
  assert.ok(Math.abs(fifth.size - 400) < 80, `${fifth.size} of 2000 at 20 %`);
  assert.ok(Math.abs(half.size - 1_000) < 120, `${half.size} of 2000 at 50 %`);
  assert.ok(fifth.isSubsetOf(half));
});
