import type { Condition, Operator } from '../../shared/condition.ts';
import type { Subject } from '../../shared/evaluation.ts';
import { compareVersions } from './compare-versions.ts';

type Test = (actual: string, expected: string) => boolean;

const tests: Record<Operator, Test> = {
  equals: (actual, expected) => actual === expected,
  not_equals: (actual, expected) => actual !== expected,
  contains: (actual, expected) => actual.includes(expected),
  starts_with: (actual, expected) => actual.startsWith(expected),
  ends_with: (actual, expected) => actual.endsWith(expected),
  at_least: (actual, expected) => Number(actual) >= Number(expected),
  less_than: (actual, expected) => Number(actual) < Number(expected),
  version_at_least: (actual, expected) => (compareVersions(actual, expected) ?? -1) >= 0,
  version_below: (actual, expected) => (compareVersions(actual, expected) ?? 0) < 0,
};

/** A subject without the attribute meets no condition on it, not even a negative one. */
export function holds(condition: Condition, subject: Subject): boolean {
  const actual = attributeOf(subject, condition.attribute);
  if (actual === undefined) return false;
  const test = tests[condition.operator];
  return condition.operator === 'not_equals'
    ? condition.values.every((expected) => test(actual, expected))
    : condition.values.some((expected) => test(actual, expected));
}

export function allHold(conditions: readonly Condition[], subject: Subject): boolean {
  return conditions.every((condition) => holds(condition, subject));
}

/** `key` names the subject's own key, so that conditions and splits can use it like any attribute. */
export function attributeOf(subject: Subject, name: string): string | undefined {
  if (name === 'key') return subject.key;
  const value = subject.attributes[name];
  return value === undefined ? undefined : String(value);
}
