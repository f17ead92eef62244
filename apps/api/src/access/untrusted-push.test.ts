import { expect, test } from 'vitest';
import { untrustedPush } from './untrusted-push.ts';

test.each([
  [undefined, []],
  ['', []],
  ['registry.example.org/previews/**', [{ pattern: 'registry.example.org/previews/**' }]],
  [
    'localhost:5000/pr-*, web=registry.example.org/web/app',
    [{ pattern: 'localhost:5000/pr-*' }, { team: 'web', pattern: 'registry.example.org/web/app' }],
  ],
])('reads %s', (text, rules) => {
  expect(untrustedPush.parse(text)).toEqual(rules);
});

test.each([
  '**',
  '*/previews/**',
  'registry.example.org',
  'registry.example.org/app:pr',
  'r.example/a/',
  'Web=r.example/a',
])('refuses %s', (text) => {
  expect(untrustedPush.safeParse(text).error?.issues[0]?.message).toContain(
    `with a full registry name and no tag; got "${text}"`,
  );
});
