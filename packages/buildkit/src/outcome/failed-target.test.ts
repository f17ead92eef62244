import { buildSpec } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { explainBakeFile } from './bake-file-error.ts';
import { namingTarget, stepsOfTargets } from './failed-target.ts';
import { outcomeOf } from './outcome.ts';

const TARGETS = new Set(['app', 'base']);
const source = { type: 'upload', name: 'app', digest: `sha256:${'a'.repeat(64)}` };
const spec = buildSpec.parse({
  ...{ source, tags: ['r/app:1'], output: { type: 'push' }, secrets: [] },
  bake: { name: 'app', targets: { base: { source, tags: ['r/base:1'], output: { type: 'load' } } } },
});
const RUN = { spec, exitCode: 1, halted: undefined, counts: { total: 1, cached: 0 }, pushed: [], lines: [] };

const failure = (name: string, error: string, lines: readonly string[] = []) => {
  const failed = stepsOfTargets(name === '' ? [] : [{ name, error, lastOutput: '' }], TARGETS);
  const outcome = outcomeOf({ ...RUN, lines, failed, metadata: {}, artifact: undefined });
  return namingTarget(explainBakeFile(outcome), failed, TARGETS, lines).failure;
};

test('classifies the failed step of a target as that of a build, and names the target', () => {
  const ran = 'process "/bin/sh -c false" did not complete successfully: exit code: 1';
  expect(failure('[base build 2/3] RUN false', ran)).toEqual({
    ...{ code: 'step_failed', step: '[base build 2/3] RUN false', exitCode: 1 },
    message: expect.stringMatching(/^target base: \[build 2\/3\] RUN false: .*exit code:? 1$/),
  });
  const lines = ['ERROR: failed to solve: failed to push r/app:1: denied'];
  expect(failure('[app] pushing r/app:1 with docker', 'denied', lines)).toMatchObject({
    ...{ code: 'push_refused', message: 'target app: failed to push r/app:1: denied' },
  });
  expect(failure('[internal] load build definition', 'x')?.message).not.toContain('target');
});

test('finds the target in what newer versions of buildx print', () => {
  const lines = ['ERROR: target app: failed to solve: target stage "x" could not be found'];
  expect(failure('', '', lines)).toEqual({
    ...{ code: 'target_missing', message: 'target app: target stage "x" could not be found' },
  });
});

test('says that the host is too old if its buildx does not know a key of the bake file, and shows no path of the host', () => {
  const at = 'ERROR: /scratch/runs/x-1/own/bake.json:1,20-30: ';
  const lines = ['bake.json:1', '-----', '   1 | >>> {"target":{}}', '-----'];
  const unknown = 'Unsupported argument; An argument named "extra-hosts" is not expected here.';
  expect(failure('', '', [...lines, at + unknown])).toEqual({
    ...{ code: 'host_outdated', message: expect.stringContaining('too old to build linked targets with extra-hosts') },
  });
  expect(failure('', '', [...lines, `${at}Something else`])).toEqual({
    ...{ code: 'infrastructure', message: 'the host’s docker buildx could not read the targets: Something else' },
  });
});

test('reports the image of each target', () => {
  const metadata = {
    app: { 'containerimage.digest': 'sha256:app', 'containerimage.config.digest': 'sha256:config' },
    base: { 'containerimage.digest': 'sha256:base' },
  };
  expect(outcomeOf({ ...RUN, exitCode: 0, failed: [], metadata, artifact: undefined }).result).toEqual({
    ...{ digest: 'sha256:app', configDigest: 'sha256:config', pushed: ['r/app:1'], loaded: ['r/base:1'] },
    targets: {
      app: { digest: 'sha256:app', configDigest: 'sha256:config', pushed: ['r/app:1'] },
      base: { digest: 'sha256:base', loaded: ['r/base:1'] },
    },
  });
});
