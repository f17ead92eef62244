import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/**
 * Scripts that Redis may refuse while it is out of memory: they write something new, or can wait. Every other script must work then and
 * says so in its first line; a new script needs that line or an entry here.
 */
const REFUSED = [
  ...['accept-build', 'assign-build', 'receive-delivery', 'add-message', 'track-report'],
  ...['create-token', 'use-token', 'set-secret', 'create-schedule', 'change-schedule', 'set-limits', 'set-host'],
  'set-cache-mode',
  ...['publish-inventory', 'learn-usage', 'save-learned', 'create-task', 'learn-saving', 'publish-evictions'],
  ...['reseal-build', 'reseal-doc', 'reseal-secret'],
];

test('every script is flagged to run while Redis is out of memory, or listed as one that needn’t', () => {
  const folder = new URL('../lua/', import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith('.lua'));
  const refused = files.filter(
    (file) => !/^#!lua flags=(allow-oom|no-writes)\n/.test(readFileSync(new URL(file, folder), 'utf8')),
  );
  expect(refused.map((file) => file.slice(0, -'.lua'.length)).sort()).toEqual([...REFUSED].sort());
});
