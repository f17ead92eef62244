import { cpuMs } from '@kiln/runtime/testing';
import { expect, test } from 'vitest';
import { builderFault, startFault } from './builder-fault.ts';
import damaged from './builder-fault-samples.json' with { type: 'json' };
import ownFailures from './failure-samples.json' with { type: 'json' };

const failed = (error: string, name = '[2/3] RUN make') => [{ name, error, lastOutput: '' }];
const SNAPSHOT = 'parent snapshot fo7hvnz23wcoty60dn9z57r1i does not exist: not found';
const DIGEST = `sha256:${'4f'.repeat(32)}`;

test.each(damaged)('recognizes a damaged builder by: $error', ({ step, error, state, record }) => {
  const fault = builderFault(failed(error, step));
  expect(fault).toMatchObject({ state, message: error, step });
  if (record !== undefined) expect(fault?.records).toContain(record);
});

test('finds the first damaged step among those that failed', () => {
  const steps = [...failed('exit code: 3'), ...failed(SNAPSHOT, '[3/3] RUN test')];
  expect(builderFault(steps)?.step).toBe('[3/3] RUN test');
});

test.each(Object.entries(ownFailures))('does not blame the builder for the recorded failure %s', (_name, run) => {
  expect(builderFault(run.failed)).toBeUndefined();
});

test.each<[string, string]>([
  ['the output of a step', 'process "/bin/sh -c make" did not complete successfully: exit code: 1'],
  ['a command', `process "/bin/sh -c echo '${SNAPSHOT}'" did not complete successfully: exit code: 1`],
  [
    'a command that pretends to end its quotes',
    `process "/bin/sh -c echo \\" did not complete successfully: ${SNAPSHOT}" did not complete successfully: exit code: 1`,
  ],
  ['a missing file', `failed to calculate checksum of ref fo7hvnz23wcoty60dn9z57r1i::abc: "/${SNAPSHOT}": not found`],
  ['a destination', `cannot copy to non-directory: /var/lib/x/snapshots/3/fs/${SNAPSHOT}`],
  ['a destination after a colon', `cannot copy to non-directory: /x/snapshots/3/fs/a: ${SNAPSHOT}`],
  [
    'a file that is named like a snapshot',
    'lstat /var/lib/buildkit/x/snapshots/snapshots/3/fs/app/snapshots/7: no such file or directory',
  ],
  ['a file within a snapshot', 'lstat /var/lib/buildkit/x/snapshots/snapshots/3/fs/app: no such file or directory'],
  [
    'a registry',
    `failed to resolve source metadata for evil.example/x:1: unexpected status from HEAD request to https://evil.example/v2/: 500: ${SNAPSHOT}`,
  ],
  [
    'a registry that adds a message',
    `failed to copy: httpReadSeeker: failed open: unexpected status code https://evil.example/v2/x: 403 Forbidden - Server message: content digest ${DIGEST}: not found`,
  ],
  ['a base image that the registry does not have', `docker.io/library/debian@${DIGEST}: not found`],
  ['git', `failed to fetch remote https://git.example/x: git stderr:\nfatal: ${SNAPSHOT}`],
  ['a variable of the Dockerfile', `failed to process "\${X:?${SNAPSHOT}}": X: ${SNAPSHOT}`],
  [
    'a fault of BuildKit that no cache causes',
    `failed to load ref: missing descriptor handlers for lazy blobs [${DIGEST}]`,
  ],
])('does not believe %s', (_what, error) => {
  expect(builderFault(failed(error))).toBeUndefined();
  expect(builderFault([{ name: '[2/3] RUN make', error: 'exit code: 1', lastOutput: error }])).toBeUndefined();
});

test('takes a bare error of the kernel for a missing layer only where BuildKit itself mounts one, and only as a suspicion', () => {
  const error = 'no such file or directory';
  expect(builderFault(failed(error, '[2/3] COPY a /a'))).toMatchObject({ isSuspected: true });
  expect(builderFault(failed(error, '[2/3] RUN make'))).toBeUndefined();
  expect(builderFault(failed(error, '[internal] load metadata for debian'))).toBeUndefined();
  expect(builderFault(failed(SNAPSHOT))).not.toHaveProperty('isSuspected');
});

test('reads long errors in a time that grows linearly', async () => {
  const error = `failed to ${'abcdefghijklmnopqrstuvwxy '.repeat(20_000)}`;
  const taken = await cpuMs(() => {
    expect(builderFault(failed(error))).toBeUndefined();
    expect(builderFault(failed(`lstat ${'/snapshots/1'.repeat(20_000)}`))).toBeUndefined();
  });
  expect(taken).toBeLessThan(2_000);
});

test.each([
  // moby/buildkit#4909
  'panic: invalid freelist page: 0, page type is unknown<0',
  // useblacksmith/setup-docker-builder#21, docker/build-push-action#1393
  'panic: assertion failed: Page expected to be: 188, but self identifies as 0',
  // Recorded: BuildKit of Docker 26.1.5 with a truncated metadata_v2.db
  'failed to open database file /var/lib/buildkit/buildkit/containerd-overlayfs/metadata_v2.db: invalid database',
])('recognizes a database that cannot be read by the daemon’s log: %s', (line) => {
  expect(startFault(`time=1 level=info msg=starting\n${line}\ngoroutine 1 [running]:\n`)).toEqual({
    state: 'record_corrupt',
    message: line,
  });
});

test.each([
  'buildkitd: could not lock /var/lib/buildkit/buildkitd.lock, another instance running?',
  'time="2026-11-28T09:00:00Z" level=warning msg="waiting for response from boltdb open" plugin=bolt',
])('recognizes a daemon whose state is locked by: %s', (line) => {
  expect(startFault(`level=info msg=starting\n${line}\n`)).toEqual({ state: 'stuck', message: line });
});

test('recognizes nothing in the log of a daemon that starts', () => {
  expect(
    startFault('level=info msg="containerd successfully booted"\nlevel=warning msg="TLS is not enabled"'),
  ).toBeUndefined();
});
