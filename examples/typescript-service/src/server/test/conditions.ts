import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operator } from '../../shared/condition.ts';
import { holds } from '../domain/conditions.ts';

const subject = { key: 'user-7', attributes: { email: 'ada@example.com', age: 36, beta: true, app: '2.10.0' } };

const cases: [attribute: string, operator: Operator, values: string[], expected: boolean][] = [
  ['key', 'equals', ['user-7'], true],
  ['email', 'ends_with', ['@example.org', '@example.com'], true],
  ['email', 'starts_with', ['bob'], false],
  ['email', 'contains', ['example'], true],
  ['age', 'at_least', ['36'], true],
  ['age', 'less_than', ['36'], false],
  ['age', 'at_least', ['many'], false],
  ['beta', 'equals', ['true'], true],
  ['email', 'not_equals', ['a@example.com', 'b@example.com'], true],
  ['email', 'not_equals', ['ada@example.com', 'b@example.com'], false],
  ['plan', 'not_equals', ['free'], false],
  ['app', 'version_at_least', ['2.9'], true],
  ['app', 'version_below', ['2.10.0-rc.1'], false],
  ['app', 'version_below', ['v3'], true],
  ['email', 'version_below', ['v3'], false],
];

for (const [attribute, operator, values, expected] of cases) {
  test(`${attribute} ${operator} ${values.join(' or ')} is ${expected}`, () => {
    assert.equal(holds({ attribute, operator, values }, subject), expected);
  });
}
