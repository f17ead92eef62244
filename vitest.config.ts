import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

/** Files that mock modules, which would affect the other files of their process, and one whose fake clock others have been seen to affect. */
const MOCKING = [
  'apps/worker/src/attempt/log-writer.test.ts',
  'apps/cli/src/commands/host/wait-moved.test.ts',
  'packages/forges/src/webhook/verify.test.ts',
  'packages/buildkit/src/trees/broken-off.int.test.ts',
];

/** `npm run test:quick` does without an engine. (The flag `--exclude` doesn't reach projects.) */
const LEFT_OUT = process.env.KILN_TEST_QUICK === '1' ? ['**/*.int.test.ts'] : [];

export default defineConfig({
  test: {
    // Real engines and real Redis on two cores; an engine may take a minute for one container while the kernel writes back what
    // other tests left. Long time-outs cost nothing unless a test fails.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // Default: one second, in which a busy machine doesn't do much.
    expect: { poll: { timeout: 60_000 } },
    // The tests build for several teams on one engine.
    env: { KILN_ISOLATION: 'pool' },
    pool: 'forks',
    // More than two cores' worth, because engines, leases and time-outs are waited for most of the time in the slow files.
    maxWorkers: Number(process.env.KILN_TEST_WORKERS ?? 5),
    sequence: { sequencer: LongestFirst },
    globalSetup: 'test/support/test-run.ts',
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['{apps,packages}/*/src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...MOCKING, ...LEFT_OUT],
          // Most files take less time than the start of their own process would.
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: 'isolated', include: MOCKING, exclude: ['**/node_modules/**', ...LEFT_OUT] },
      },
    ],
  },
});
