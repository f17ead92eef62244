import { expect, test } from 'vitest';
import { repoKey } from './repo-key.ts';

test.each([
  ['https://github.com/Acme/App.git', 'github.com/Acme/App'],
  ['https://user:pw@GitHub.com/Acme/App', 'github.com/Acme/App'],
  ['git@github.com:Acme/App.git', 'github.com/Acme/App'],
  ['ssh://git@github.com/Acme/App/', 'github.com/Acme/App'],
  ['git://git.example.org:9418/x', 'git.example.org:9418/x'],
  ['my-service', 'my-service'],
])('repoKey of %s is %s', (origin, key) => {
  expect(repoKey({ origin, dockerfile: 'Dockerfile' })).toBe(key);
});

test('repoKey contains a subdirectory and another Dockerfile', () => {
  expect(repoKey({ origin: 'app', subdir: './svc/', dockerfile: 'docker/Dockerfile.prod' })).toBe(
    'app//svc:docker/Dockerfile.prod',
  );
});
