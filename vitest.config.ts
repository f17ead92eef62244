import { defineConfig } from 'vitest/config';

/** Files that put something else in a module's place, which others of their process would get as well. */
const MOCKING = ['packages/forges/src/webhook/verify.test.ts'];

export default defineConfig({
  test: {
    // Real engines, real Redis and two cores: patience costs nothing where nothing is timed.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // All of them build on this machine's one engine, in the names of several teams.
    env: { KILN_ISOLATION: 'pool' },
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['{apps,packages}/*/src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...MOCKING],
          // A process for each of two hundred files would take longer than most of them.
          isolate: false,
        },
      },
      { extends: true, test: { name: 'isolated', include: MOCKING } },
    ],
  },
});
