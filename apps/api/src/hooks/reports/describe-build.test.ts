import type { BuildRecord, FailureCode } from '@kiln/domain';
import { expect, test } from 'vitest';
import { describeBuild } from './describe-build.ts';

test.each<[FailureCode, string]>([
  ['step_failed', 'failed'],
  ['platform_missing', 'failed'],
  ['no_fitting_host', 'error'],
  ['queue_timeout', 'error'],
  ['poisoned', 'error'],
])('a build that ends with %s is reported as %s', (code, state) => {
  const record: BuildRecord = {
    ...{
      id: 'b1',
      revision: 2,
      state: 'failed',
      repo: 'app',
      team: 'default',
      createdAt: 0,
      queuedAt: 0,
      attempts: [],
    },
    ...{ finishedAt: 1, failure: { code, message: 'no host builds linux/arm64\nmore' } },
  };
  expect(describeBuild(record)).toEqual({ state, description: 'Failed: no host builds linux/arm64' });
});
