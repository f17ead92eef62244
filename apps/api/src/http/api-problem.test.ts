import { BlobStoreUnavailable } from '@kiln/blobs';
import { expect, test } from 'vitest';
import { problemOf } from './api-problem.ts';

const reply = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' });

test('answers 503 with Retry-After while Redis is starting, has become a replica or cannot write, and 500 for other errors of a command', () => {
  for (const message of [
    'LOADING Redis is loading the dataset in memory',
    "READONLY You can't write against a replica.",
    'EXECABORT Transaction discarded because of previous errors.',
    'MISCONF Redis is configured to save RDB snapshots, but it is unable to persist on disk.',
  ]) {
    expect(problemOf(reply(message))).toMatchObject({ code: 'unavailable', headers: { 'Retry-After': '2' } });
  }
  expect(problemOf(reply('ERR unknown command'))).toMatchObject({ code: 'internal' });
  expect(problemOf(new Error('LOADING from something else'))).toMatchObject({ code: 'internal' });
});

test('answers 503 with Retry-After while the blob store is away, without what only the operator may see', () => {
  const problem = problemOf(new BlobStoreUnavailable('storing blob logs/x failed: connect ECONNREFUSED 10.0.0.7:9000'));
  expect(problem).toMatchObject({ code: 'unavailable', status: 503, headers: { 'Retry-After': '5' } });
  expect(problem.message).toBe('Kiln’s blob store is not available at the moment; try again in 5 s');
});
