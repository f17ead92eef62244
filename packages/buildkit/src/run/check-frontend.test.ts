import { expect, test } from 'vitest';
import { classifyFailure } from '../outcome/classify-failure.ts';
import { enforcesFrontends } from './check-frontend.ts';

test.each([
  ['docker-container', '0.26.3', true],
  ['docker-container', '0.14.0-rc1', true],
  ['docker-container', '1.0.0', true],
  ['docker-container', '0.13.2', false],
  ['docker-container', undefined, false],
  ['docker', '0.26.3', false],
] as const)('the driver %s with BuildKit %s enforces the allowed frontends: %s', (driver, version, expected) => {
  expect(enforcesFrontends(driver, version)).toBe(expected);
});

test('classifies BuildKit’s refusal of a frontend as frontend_refused', () => {
  const lines = ["ERROR: failed to solve: 'evil/x:1' is not an allowed gateway source"];
  expect(classifyFailure({ exitCode: 1, failed: [], lines })).toEqual({
    code: 'frontend_refused',
    message: 'the host does not allow the frontend evil/x:1',
  });
});
