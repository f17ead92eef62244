import type { CauseView, WhySlowView } from '@kiln/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { FAILED, NOW, RUNNING } from '../../testing/builds.ts';
import { withFakeApi } from '../../testing/with-fake-api.ts';

const cli = withFakeApi({ now: () => NOW });
beforeEach(() => {
  cli.api.builds = [FAILED, RUNNING];
});

const OTHER = '01kaqz6w5h0000000000cccccc';
const step = (name: string, cause?: CauseView, ms = 1_000) =>
  cause ? ({ name, state: 'ran', ms, cause } as const) : ({ name, state: 'cached' } as const);

const VIEW: Omit<WhySlowView, 'build'> = {
  attempt: 1,
  host: 'h1',
  end: 'succeeded',
  comparedWith: { build: OTHER, attempt: 1, host: 'h1', finishedAt: new Date(NOW - 7_200_000).toISOString() },
  changedSecrets: ['npm'],
  steps: {
    ...{ total: 4, cached: 1, first: 1 },
    list: [
      step('[build 2/4] RUN npm ci'),
      step('[build 3/4] COPY src /src', {
        ...{ type: 'files_changed', added: 1, changed: 11, removed: 0 },
        paths: [
          { path: 'src/a.ts', change: 'changed' },
          { path: 'src/new.ts', change: 'added' },
          { path: 'src/deep', change: 'changed', within: true },
        ],
      }),
      step('[build 4/4] RUN npm run build', { type: 'parent_missed', parent: 1 }, 62_000),
      step('[docs 2/2] RUN mkdocs\nbuild', {
        type: 'unknown',
        compared: ['instruction', 'build_arguments'],
        notCompared: [{ what: 'files', why: 'tree_swept' }],
      }),
    ],
  },
  mounts: [
    { id: 'abc//root/.npm', state: 'warm', beforeBytes: 120_000_000, afterBytes: 125_000_000 },
    { id: 'abc//c', state: 'cold', beforeBytes: 0, afterBytes: 1_000 },
  ],
  sizesAreFloors: false,
  time: { totalMs: 70_500, queueMs: 500, contextMs: 2_000, pullMs: 0, runMs: 63_000, exportMs: 4_000, idleMs: 1_000 },
  usual: { runMs: 20_000, builds: 7 },
  coldMs: 130_000,
  savedMs: 60_000,
};

describe('kiln why-slow', () => {
  it('shows the first step that was not cached and why, all steps, cache mounts and where the time went', async () => {
    cli.api.whySlow = VIEW;
    expect((await cli.run('why-slow bbbb')).out).toBe(
      `attempt 1 on h1, succeeded, 1 of 4 steps cached
compared with build ${OTHER} on h1, 2h ago
changed secrets: npm (the cache doesn’t depend on their values)

first step that was not cached:
  [build 3/4] COPY src /src
    files changed: 1 added, 11 changed
      changed  src/a.ts
      added    src/new.ts
      changed  something in src/deep
      and 9 more
other steps that were not cached for a reason of their own:
  [docs 2/2] RUN mkdocs
    cause unknown
    compared, and the same: its instruction, build arguments
    not compared: the files that it reads, because a context is no longer stored

STEP                           STATE    TIME  WHY
[build 2/4] RUN npm ci         cached
[build 3/4] COPY src /src      ran      1.0s  files changed: 1 added, 11 changed
[build 4/4] RUN npm run build  ran     1m02s  after [build 3/4] COPY
[docs 2/2] RUN mkdocs          ran      1.0s  unknown

CACHE MOUNT  STATE    BEFORE     AFTER
/root/.npm   warm   120.00MB  125.00MB
/c           cold         0B    1.00kB

time   1m10s: queue 0.5s, context 2.0s, pulls 0.0s, steps 1m03s, exports 4.0s, idle 1.0s
usual  20.0s without the queue (median of 7), this one 1m10s
cold   2m10s expected without caches: 1m00s saved
`,
    );
  });

  it.each<[CauseView, string]>([
    [{ type: 'no_cache' }, 'the build asked for no cache'],
    [
      { type: 'first_on_host', also: { type: 'build_argument_changed', names: ['V'] } },
      'value of build argument V changed',
    ],
    [
      { type: 'instruction_changed', from: 'RUN a', to: 'RUN <<E\nb\nE' },
      '- RUN a\n      + RUN <<E\n      + b\n      + E\n',
    ],
    [
      { type: 'instruction_changed', to: 'RUN a', step: '[1/2] COPY' },
      'instruction added, at [1/2] COPY\n      + RUN a\n',
    ],
    [
      { type: 'base_image_moved', image: 'debian', from: 'sha256:1', to: 'sha256:2' },
      'from sha256:1\n      to   sha256:2\n',
    ],
    [
      { type: 'remote_content_changed', url: 'http://x.io/a', from: 'sha256:1', to: 'sha256:2' },
      'what http://x.io/a returned changed\n      from sha256:1\n      to   sha256:2\n',
    ],
    [{ type: 'cache_scope_changed', from: 'repo', to: 'team' }, 'cache scope changed from repo to team'],
    [
      { type: 'evicted', lost: 2, of: 9, since: '2026-01-02T03:05:05.000Z' },
      'of 9 layers that the repo’s last build here had used, 2 were gone',
    ],
    [
      {
        ...{ type: 'evicted', lost: 2, of: 9, since: '2026-01-02T03:05:05.000Z' },
        evictions: [{ at: '2026-01-02T03:06:00.000Z', bytes: 5e9, reason: 'low_disk', roomFor: 'acme/app' }],
      },
      '2026-01-02T03:06:00.000Z: 5.00GB removed because the disk was nearly full, after a build of acme/app',
    ],
    [{ type: 'fresh_builder', mode: 'fresh' }, 'cache mode fresh: the builder was made for this build'],
    [{ type: 'first_build' }, 'no earlier successful build with the same target and platforms has a record'],
  ])('describes the cause %j', async (cause, text) => {
    cli.api.whySlow = {
      attempt: 1,
      host: 'h1',
      steps: { total: 1, cached: 0, first: 0, list: [step('[1/1] RUN a', cause)] },
    };
    expect((await cli.run('why-slow bbbb')).out).toContain(text);
  });

  it('says why there is nothing to explain', async () => {
    cli.api.whySlow = { notRecorded: 'not_started' };
    expect((await cli.run('why-slow bbbb')).err).toContain('the build has not started yet');
    cli.api.whySlow = { attempt: 2, host: 'h1', notRecorded: 'running' };
    expect((await cli.run('why-slow bbbb')).err).toContain('attempt 2 is still running on h1');
    cli.api.whySlow = { attempt: 2, host: 'h1', notRecorded: 'storing' };
    expect((await cli.run('why-slow bbbb')).err).toContain(
      'h1 has not stored its record yet: try again in a few seconds',
    );
    cli.api.whySlow = { attempt: 2, host: 'h1', notRecorded: 'not_recorded' };
    expect((await cli.run('why-slow bbbb')).err).toContain('nothing was recorded of attempt 2 on h1');
  });

  it('prints the API’s answer with --json, and asks for an attempt', async () => {
    cli.api.whySlow = VIEW;
    const { out } = await cli.run('why-slow --json --attempt 1 bbbb');
    expect(JSON.parse(out)).toEqual({ build: FAILED.id, ...VIEW });
    expect(cli.api.queries).toContain('attempt=1');
    const { code, err } = await cli.run('why-slow --attempt 0 bbbb');
    expect([code, err]).toEqual([
      125,
      expect.stringContaining('--attempt: got "0", expected the number of an attempt'),
    ]);
  });

  it('says that everything was cached', async () => {
    cli.api.whySlow = { attempt: 1, host: 'h1', steps: { total: 1, cached: 1, list: [step('[1/1] RUN a')] } };
    expect((await cli.run('why-slow bbbb')).out).toContain('every step that was needed was cached');
  });

  it('shows nothing of a name that would control the terminal', async () => {
    const list = [
      step('[1/1] RUN \u001b[2Ja', {
        type: 'files_changed',
        added: 1,
        changed: 0,
        removed: 0,
        paths: [{ path: '\u001b]0;x', change: 'added' }],
      }),
    ];
    cli.api.whySlow = { attempt: 1, host: 'h1', steps: { total: 1, cached: 0, first: 0, list } };
    expect((await cli.run('why-slow bbbb')).out).not.toContain('\u001b');
  });
});
