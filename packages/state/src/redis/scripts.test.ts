import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/**
 * Scripts that Redis refuses when it is out of memory: they take memory for what is new, or can be done without for a while. Any other script must
 * go on then: it says so by its first line. A new one that isn't named here needs that line.
 */
const REFUSED = [
  ...['accept-build', 'assign-build', 'receive-delivery', 'add-message', 'track-report'],
  ...['create-token', 'use-token', 'set-secret', 'create-schedule', 'change-schedule', 'set-limits', 'set-host'],
  ...['publish-inventory', 'learn-usage', 'save-learned'],
  ...['reseal-build', 'reseal-doc', 'reseal-secret'],
];

test('every script says that it runs when Redis is out of memory, or is known as one that needn’t', () => {
  const folder = new URL('../lua/', import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith('.lua'));
  const refused = files.filter(
    (file) => !/^#!lua flags=(allow-oom|no-writes)\n/.test(readFileSync(new URL(file, folder), 'utf8')),
  );
  expect(refused.map((file) => file.slice(0, -'.lua'.length)).sort()).toEqual([...REFUSED].sort());
});
