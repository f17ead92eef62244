import { describe, expect, test } from 'vitest';
import { calledAttempt, JOBS, runAttemptJob } from './catalog.ts';

describe('the job of an attempt', () => {
  const { jobId } = JOBS.runAttempt;

  test('has a different id for an attempt of the same number with another nonce', () => {
    const ids = [{}, { nonce: 'a' }, { nonce: 'b' }].map((nonce) => jobId({ buildId: 'b1', attempt: 2, ...nonce }));
    expect(ids).toEqual(['b1-2', 'b1-2-a', 'b1-2-b']);
  });

  test('identifies its attempt by its id, with the same data as in older versions', () => {
    const data = runAttemptJob.parse({ buildId: 'b1', attempt: 2 });
    expect(calledAttempt(data, 'b1-2-a')).toEqual({ buildId: 'b1', attempt: 2, nonce: 'a' });
    for (const id of ['b1-2', 'b1-21-a', undefined]) expect(calledAttempt(data, id)).toEqual(data);
  });
});
