import { expect, test } from 'vitest';
import { repoKey } from './repo-key.ts';

test.each([
  ['https://github.com/Acme/App.git', 'github.com/Acme/App'],
  ['https://user:pw@GitHub.com/Acme/App', 'github.com/Acme/App'],
  ['git@github.com:Acme/App.git', 'github.com/Acme/App'],
  ['ssh://git@github.com/Acme/App/', 'github.com/Acme/App'],
  ['git://git.example.org:9418/x', 'git.example.org/x'],
  ['ssh://git@GIT.example.org:22/T/a.git', 'git.example.org/T/a'],
  ['https://git.example.org:443/T/a.git', 'git.example.org/T/a'],
  ['http://git.example.org:80/T/a.git', 'git.example.org/T/a'],
  ['ssh://git@git.example.org:2222/T/a.git', 'git.example.org:2222/T/a'],
  ['https://git.example.org:22/T/a.git', 'git.example.org:22/T/a'],
  ['my-service', 'my-service'],
])('repoKey of %s is %s', (origin, key) => {
  expect(repoKey({ origin, dockerfile: 'Dockerfile' })).toBe(key);
});

test('repoKey contains a subdirectory and another Dockerfile', () => {
  expect(repoKey({ origin: 'app', subdir: './svc/', dockerfile: 'docker/Dockerfile.prod' })).toBe(
    'app//svc:docker/Dockerfile.prod',
  );
});
