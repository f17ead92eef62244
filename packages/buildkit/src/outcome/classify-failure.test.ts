import type { FailureCode } from '@kiln/domain';
import { expect, test } from 'vitest';
import { classifyFailure, type FailedRun } from './classify-failure.ts';
// Recorded from buildx 0.13.1 and BuildKit 0.13, on a machine without an image registry.
import samples from './failure-samples.json' with { type: 'json' };

type Sample = keyof typeof samples;

const EXPECTED: Readonly<Record<Sample, FailureCode>> = {
  addhttp: 'step_failed',
  badflag: 'build_failed',
  badinstr: 'dockerfile_invalid',
  badmount: 'dockerfile_invalid',
  base1: 'base_image_unavailable',
  base2: 'base_image_unavailable',
  baseempty: 'dockerfile_invalid',
  baseinv: 'dockerfile_invalid',
  bkkilled: 'infrastructure',
  circ: 'dockerfile_invalid',
  copyfrom: 'base_image_unavailable',
  copymissing: 'step_failed',
  devfull2: 'disk_full',
  emptydf: 'dockerfile_invalid',
  full1: 'disk_full',
  full2: 'disk_full',
  garbage: 'dockerfile_invalid',
  git500: 'git_unreachable',
  gitauth: 'git_auth_failed',
  gitconn: 'git_unreachable',
  gitdns: 'git_unreachable',
  gitfilesub: 'git_subdir_missing',
  gitforbidden: 'git_auth_failed',
  gitgit: 'git_unreachable',
  gitnobranch: 'git_ref_missing',
  gitnocommit: 'git_ref_missing',
  gitnorepo: 'git_unreachable',
  gitnosub: 'git_subdir_missing',
  gittls: 'git_unreachable',
  ins: 'dockerfile_invalid',
  nobin: 'step_failed',
  nobuilder: 'infrastructure',
  nodf: 'dockerfile_missing',
  nofrom: 'dockerfile_invalid',
  nosock: 'infrastructure',
  nospace: 'disk_full',
  ociclassic: 'build_failed',
  parse: 'dockerfile_invalid',
  pull401: 'base_image_unavailable',
  pull403: 'base_image_unavailable',
  pull404: 'base_image_unavailable',
  push401: 'push_refused',
  push403: 'push_refused',
  push404: 'push_refused',
  pushdns: 'push_refused',
  pushrefused: 'push_refused',
  secretmissing: 'step_failed',
  secretreq: 'step_failed',
  step: 'step_failed',
  symlink: 'step_failed',
  syntax: 'base_image_unavailable',
  target: 'target_missing',
  user: 'step_failed',
};

const sample = (name: Sample): FailedRun => samples[name];

test.each(Object.entries(EXPECTED))('classifies the recorded failure %s as %s', (name, code) => {
  expect(classifyFailure(sample(name as Sample))).toMatchObject({ code, message: expect.stringMatching(/\S/) });
});

test('says what an engine without an exporter needs', () => {
  expect(classifyFailure(sample('ociclassic')).message).toBe(
    'the host’s engine cannot export type=oci; it needs the containerd image store, or a host with the driver docker-container',
  );
});

test('reports the step, the exit code and the lines of the Dockerfile of a failed RUN', () => {
  expect(classifyFailure(sample('step'))).toEqual({
    code: 'step_failed',
    message: '[3/4] RUN echo out; exit 3: did not complete successfully: exit code: 3',
    step: '[3/4] RUN echo out; exit 3',
    exitCode: 3,
    excerpt: [
      '   1 |     FROM kiln.local/debian:bookworm-slim',
      '   2 |     RUN echo before',
      '   3 | >>> RUN echo out; exit 3',
      '   4 |     RUN echo after',
      '   5 |',
    ].join('\n'),
  });
});

test('names a missing file without BuildKit’s internal reference', () => {
  expect(classifyFailure(sample('copymissing')).message).toBe('[2/2] COPY missing.txt /: "/missing.txt": not found');
});

test('does not take the text of a RUN’s command for the cause', () => {
  const command = 'echo no active session; echo "no space left on device: EOF"; exit 4';
  const error = `process "/bin/sh -c ${command}" did not complete successfully: exit code: 4`;
  const failure = classifyFailure({
    exitCode: 1,
    failed: [{ name: `[2/2] RUN ${command}`, error, lastOutput: '' }],
    lines: [`ERROR: failed to solve: ${error}`],
  });
  expect(failure).toMatchObject({ code: 'step_failed', exitCode: 4 });
});

test('suggests a lack of memory if the kernel killed a step', () => {
  const error = 'process "/bin/sh -c make" did not complete successfully: exit code: 137';
  const failure = classifyFailure({
    exitCode: 1,
    failed: [{ name: '[2/2] RUN make', error, lastOutput: '' }],
    lines: [],
  });
  expect(failure).toMatchObject({ code: 'step_failed', exitCode: 137, message: expect.stringContaining('memory') });
});

test('ignores the "failed to build" that later releases print first', () => {
  const lines = ['ERROR: failed to build: failed to solve: target stage "x" could not be found'];
  expect(classifyFailure({ exitCode: 1, failed: [], lines }).code).toBe('target_missing');
});

test.each<[number | undefined, string]>([
  [undefined, 'the engine lost the build'],
  [75, 'the fence had passed before it began'],
  [137, 'the fence killed buildx'],
  [143, 'something else terminated buildx'],
])('classifies exit code %s as infrastructure: %s', (exitCode) => {
  expect(classifyFailure({ exitCode, failed: [], lines: [] }).code).toBe('infrastructure');
});

test.each([
  'failed to solve: no active session for 0x1: context deadline exceeded',
  'failed to solve: session 3nq closed',
  'failed to receive status: rpc error: code = Unavailable desc = closing transport due to: connection error: desc = "error reading from server: EOF"',
  'Get "http://%2Fvar%2Frun%2Fdocker.sock/_ping": dial unix /var/run/docker.sock: connect: connection refused',
])('classifies as infrastructure: %s', (line) => {
  expect(classifyFailure({ exitCode: 1, failed: [], lines: [`ERROR: ${line}`] }).code).toBe('infrastructure');
});

test('does not take a truncated download for a lost connection to the engine', () => {
  const lines = ['ERROR: failed to solve: failed to compute cache key: unexpected EOF'];
  expect(classifyFailure({ exitCode: 1, failed: [], lines }).code).toBe('build_failed');
});

test('keeps buildx’s own message of an unknown failure, cut to a readable length', () => {
  const failure = classifyFailure({ exitCode: 1, failed: [], lines: ['odd', 'x'.repeat(5_000)] });
  expect(failure.code).toBe('build_failed');
  expect(failure.message).toMatch(/^odd\nx+…$/);
  expect(failure.message.length).toBeLessThan(2_100);
  expect(classifyFailure({ exitCode: 2, failed: [], lines: [] }).message).toBe('buildx: exit code 2');
});

test.each([126, 127])('classifies a buildx that could not be started as infrastructure (exit code %i)', (exitCode) => {
  expect(classifyFailure({ exitCode, failed: [], lines: [] })).toEqual({
    code: 'infrastructure',
    message: `buildx could not be started: exit code ${exitCode}`,
  });
});
