import { describe, expect, test } from 'vitest';
import { isFiltered, readFilter, withField } from './filter.ts';

describe('readFilter', () => {
  test('takes over what the list of builds can be narrowed by', () => {
    const filter = { text: 'v1', repo: 'git.example/app', branch: 'main', team: 'web', host: 'h1' } as const;
    expect(readFilter({ ...filter, state: 'failed', trigger: 'webhook' })).toEqual({
      ...filter,
      state: 'failed',
      trigger: 'webhook',
    });
  });

  test('leaves out what is no filter, is empty, or that the API would refuse', () => {
    expect(readFilter({ state: 'exploded', trigger: '', text: '  ', page: '3', repo: { a: 1 }, team: null })).toEqual(
      {},
    );
    expect(readFilter({ host: 'h'.repeat(300) }).host).toHaveLength(255);
  });

  test('reads text that a URL gives as a number or a boolean, such as a commit of digits alone', () => {
    expect(readFilter({ text: 1234567, branch: true })).toEqual({ text: '1234567', branch: 'true' });
  });
});

test('withField sets one field and keeps the others; an empty value removes it', () => {
  const filter = withField({ team: 'web' }, 'state', 'failed');
  expect(filter).toEqual({ team: 'web', state: 'failed' });
  expect(withField(filter, 'state', '')).toEqual({ team: 'web' });
  expect([isFiltered(filter), isFiltered(withField({ team: 'web' }, 'team', ' '))]).toEqual([true, false]);
});
