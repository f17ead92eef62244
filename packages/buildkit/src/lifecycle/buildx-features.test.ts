import { expect, test } from 'vitest';
import { buildkitVersion, buildxVersion, featuresOf, platformsOf } from './buildx-features.ts';

test.each([
  ['github.com/docker/buildx v0.13.1 788433953af10f2a698f5c07611dddce2e08c7a0', '0.13.1'],
  ['github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3+b4', '0.13.1+ds1'],
  ['something else\n', 'something else'],
])('parses the version of %s', (text, version) => {
  expect(buildxVersion(text)).toBe(version);
});

test('parses the platforms, also those marked with a star', () => {
  const text = 'Name: x\nNodes:\nStatus: running\nPlatforms: linux/amd64*, linux/amd64/v2, linux/arm64\nLabels:\n';
  expect(platformsOf(text)).toEqual(['linux/amd64', 'linux/amd64/v2', 'linux/arm64']);
  expect(platformsOf('Status: inactive')).toEqual([]);
});

test.each([
  ['Status:           running\nBuildKit version: v0.12.5\nPlatforms: x', '0.12.5'],
  ['Status: running\nBuildkit:  v0.11.6+0a15675913b7\n', '0.11.6+0a15675913b7'],
  ['BuildKit version: v0.0.0+unknown\n', undefined],
  ['Status: inactive\n', undefined],
])('parses BuildKit’s version in %j', (text, version) => {
  expect(buildkitVersion(text)).toBe(version);
});

test('detects limits and calls by the flags in the help text', () => {
  expect(featuresOf('      --shm-size bytes     Size of memory\n')).toEqual({
    ...{ memoryFlag: false, cpusFlag: false, callFlag: false },
  });
  expect(featuresOf('      --cpus float   CPUs\n  -m, --memory bytes\n')).toEqual({
    ...{ memoryFlag: true, cpusFlag: true, callFlag: false },
  });
  expect(featuresOf('      --call string     Set method\n')).toMatchObject({ callFlag: true });
});
