import { expect, test } from 'vitest';
import { classifyGitError } from './git-error.ts';

test.each([
  ['/bin/sh: 1: git: not found', 'git_missing'],
  ["fatal: couldn't find remote ref refs/heads/none", 'ref_missing'],
  ['error: Server does not allow request for unadvertised object abc', 'ref_missing'],
  ['fatal: remote error: upload-pack: not our ref abc', 'ref_missing'],
  ["fatal: could not read Username for 'https://x': terminal prompts disabled", 'auth_refused'],
  ["fatal: Authentication failed for 'https://x/'", 'auth_refused'],
  ["fatal: unable to access 'https://x/': The requested URL returned error: 403", 'auth_refused'],
  ["fatal: unable to access 'https://x/': The requested URL returned error: 301", 'redirected'],
  ["fatal: repository 'https://x/' not found", 'repository_missing'],
  ['fatal: write error: File too large', 'too_large'],
  ['fatal: Out of memory, malloc failed (tried to allocate 9999 bytes)', 'too_large'],
  ["fatal: unable to access 'https://x/': Could not resolve host: x", 'unreachable'],
  ['', 'unreachable'],
])('reads %j as %s', (stderr, fault) => {
  expect(classifyGitError(stderr).fault).toBe(fault);
});

test('returns the first line of git’s own message', () => {
  expect(classifyGitError('warning: x\nfatal: no such thing\nfatal: more').message).toBe('no such thing');
  expect(classifyGitError('').message).toBeUndefined();
});
