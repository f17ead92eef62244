import { expect, test } from 'vitest';
import { buildkitdConfig } from './buildkitd-config.ts';

test('caps everything at the budget, and ages nothing but sources', () => {
  const text = buildkitdConfig({ cacheBudgetBytes: 10_000.5, plainHttpRegistries: ['127.0.0.1:5000'] });
  expect(text).toContain('gc = true');
  expect(text.match(/keepDuration/g)).toHaveLength(1);
  expect(text).toMatch(/filters = \["type==source\.local"\]\n\s+keepDuration = 172800\n\s+keepBytes = 1000\n/);
  expect(text.match(/maxUsedSpace = 10000$/gm)).toHaveLength(2);
  expect(text).not.toContain('exec.cachemount');
  expect(text).toMatch(/\[registry\."127\.0\.0\.1:5000"\]\n {2}http = true/);
  expect(text.indexOf('all = true')).toBeGreaterThan(text.lastIndexOf('[[worker.oci.gcpolicy]]'));
});
