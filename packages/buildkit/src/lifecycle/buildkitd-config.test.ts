import { expect, test } from 'vitest';
import { buildkitdConfig } from './buildkitd-config.ts';

test('limits all caches to the budget, and lets only sources expire', () => {
  const text = buildkitdConfig({
    cacheBudgetBytes: 10_000.5,
    plainHttpRegistries: ['127.0.0.1:5000'],
    frontends: 'any',
  });
  expect(text).toContain('gc = true');
  expect(text.match(/keepDuration/g)).toHaveLength(1);
  expect(text).toMatch(/filters = \["type==source\.local"\]\n\s+keepDuration = 172800\n\s+keepBytes = 1000\n/);
  expect(text.match(/maxUsedSpace = 10000$/gm)).toHaveLength(2);
  expect(text).not.toContain('exec.cachemount');
  expect(text).toMatch(/\[registry\."127\.0\.0\.1:5000"\]\n {2}http = true/);
  expect(text.indexOf('all = true')).toBeGreaterThan(text.lastIndexOf('[[worker.oci.gcpolicy]]'));
});

test('allows only the listed frontends, and disables them all for an empty list', () => {
  const of = (frontends: 'any' | string[]) =>
    buildkitdConfig({ cacheBudgetBytes: 1, plainHttpRegistries: [], frontends });
  expect(of('any')).not.toContain('frontend');
  expect(of(['docker.io/docker/dockerfile', 'r.example/f'])).toContain(
    '[frontend."gateway.v0"]\n  enabled = true\n  allowedRepositories = ["docker.io/docker/dockerfile","r.example/f"]\n',
  );
  expect(of([])).toContain('[frontend."gateway.v0"]\n  enabled = false\n');
});
