import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogRecord, PlacementInfoView } from '@kiln/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../cli.ts';
import { FakeApi, fakeBuild } from '../testing/fake-api.ts';
import { fakeIo } from '../testing/fake-io.ts';
import { TempDir } from '../testing/temp-dir.ts';

type Considered = PlacementInfoView['decisions'][number]['considered'][number];

const NOW = Date.parse('2026-01-02T03:14:05.000Z');
const RUNNING = fakeBuild({
  id: '01kaqz6w5h0000000000aaaaaa',
  state: 'running',
  host: 'host-a',
  repo: 'github.com/acme/app',
  startedAt: '2026-01-02T03:13:05.000Z',
});
const FAILED = fakeBuild({
  id: '01kaqz6w5h0000000000bbbbbb',
  state: 'failed',
  durationMs: 61_000,
  finishedAt: '2026-01-02T03:05:05.000Z',
});

let api: FakeApi;

beforeEach(async () => {
  api = await FakeApi.start();
  api.builds = [FAILED, RUNNING];
});

afterEach(() => api[Symbol.asyncDispose]());

const io = (terminal?: { columns: number; rows: number }) => ({
  ...fakeIo({ env: { KILN_URL: api.url, KILN_TOKEN: api.token, NO_COLOR: '1' }, ...(terminal && { terminal }) }),
  now: () => NOW,
});

async function run(line: string, terminal?: { columns: number; rows: number }) {
  const at = io(terminal);
  const code = await runCli(line.split(' '), at);
  return { code, out: at.stdout.text, err: at.stderr.text };
}

describe('kiln ps', () => {
  it('lists what is under way, with whole ids into a pipe', async () => {
    expect((await run('ps')).out).toBe(
      'BUILD                       STATE    REPO                 TEAM     HOST    AGE   TOOK\n' +
        '01kaqz6w5h0000000000aaaaaa  running  github.com/acme/app  default  host-a  10m  1m00s\n',
    );
  });

  it('lists all with -a, and fits a narrow terminal', async () => {
    expect((await run('ps -a', { columns: 40, rows: 24 })).out).toBe(
      'BUILD     STATE    REPO              AGE\n' +
        '00bbbbbb  failed   app               10m\n' +
        '00aaaaaa  running  github.com/acme/… 10m\n'.replace('… 10m', '…  10m').replace('acme/…', 'acme…'),
    );
  });

  it('tells superseded builds, and those that share a run', async () => {
    const superseded = { state: 'canceled', supersededBy: RUNNING.id } as const;
    api.builds = [
      { ...FAILED, ...superseded },
      fakeBuild({ sharedRun: RUNNING.id }),
      { ...RUNNING, supersededBy: FAILED.id, cancelRequestedAt: '2026-01-02T03:13:10.000Z' },
    ];
    const states = (await run('ps -a')).out.split('\n').map((line) => line.split(/\s+/)[1]);
    expect(states.slice(1, 4)).toEqual(['superseded', 'sharing', 'canceling']);
  });

  it('gives one JSON document with --json', async () => {
    expect(JSON.parse((await run('ps --json')).out).builds).toHaveLength(1);
    expect(JSON.parse((await run('ps --json --state failed')).out).builds[0].id).toBe(FAILED.id);
  });

  it.each([
    ['ps --state done', 'expected queued, assigned'],
    ['ps --limit 0', 'expected 1 to 200'],
    ['ps extra', 'usage: kiln ps'],
  ])('%s is refused', async (line, message) => {
    expect(await run(line)).toMatchObject({ code: 125, err: expect.stringContaining(message) });
  });
});

describe('short ids', () => {
  it('are the beginning or the end of a recent one', async () => {
    expect((await run('why AAAA')).err).toBe('kiln: nothing decided yet\n');
    expect((await run('why 01kaqz6w')).err).toContain(`may be any of 2 builds:\n  ${FAILED.id}  failed  app\n`);
    expect((await run('why zzzz')).err).toContain('none of the last 200 builds');
    expect((await run('why aaa')).err).toContain('at least 4 characters');
    expect((await run('why ../x')).err).toContain("isn't a build's id");
  });
});

describe('kiln why', () => {
  const at = (second: number) => new Date(Date.parse('2026-01-02T03:13:00.000Z') + 1_000 * second).toISOString();
  const host = (name: string, warmth: number, verdict: string, more: Partial<Considered> = {}): Considered => ({
    host: name,
    slots: 2,
    usedSlots: 1,
    warmth,
    verdict,
    ...more,
  });
  const expected = (start: number, runMs: number, warmth: number) => ({
    startAt: at(start),
    finishAt: at(start + runMs / 1_000),
    runMs,
    warmth,
  });

  it('shows each decision with every host, what was expected and how it went', async () => {
    const warm = expected(60, 42_000, 0.82);
    api.placement = [
      { attempt: 1, host: null, reason: 'no_host', decidedAt: at(5), considered: [] },
      {
        attempt: 1,
        host: 'a',
        reason: 'warm',
        decidedAt: at(60),
        predicted: warm,
        considered: [
          host('a', 0.82, 'chosen', { predicted: warm }),
          host('d', 0, 'costs_others', {
            predicted: expected(60, 41_000, 0),
            extras: { eviction: 125_000, crowding: 2_000, spread: -90_000 },
          }),
          host('b', 0, 'platform_missing'),
          host('c', 0, 'something_new'),
        ],
        others: { label_missing: 2, full: 30 },
        actual: {
          startedAt: at(61),
          waitedMs: 1_000,
          endedAt: at(99),
          runMs: 38_200,
          end: 'succeeded',
          steps: { total: 14, cached: 11 },
        },
      },
    ];
    expect((await run('why aaaa')).out).toBe(
      `attempt 1: wait, no host has joined the pool (1m ago)

attempt 1: run on a, which has its cache (5s ago)
  expected: starts at once, 82% warm, runs 42.0s
  in fact:  started after 1.0s, ran 38.2s and succeeded, 11 of 14 steps cached
  HOST  SLOTS  WARM  START    FINISH  VERDICT
  a       1/2   82%    now  in 42.0s  chosen
  d       1/2    0%    now  in 41.0s  would cost other builds more: evicts caches (2m05s), crowds its warm builds (2.0s)
  b       1/2    0%                   can't build for the platform
  c       1/2    0%                   something new
  and 32 more: 30 full, 2 lacks a label
`,
    );
  });

  it('says in clear words that no host takes builds of its trust', async () => {
    const none = { attempt: 1, host: null, reason: 'none_untrusted', decidedAt: at(60) };
    api.placement = [{ ...none, considered: [host('a', 0, 'trust_missing'), host('b', 0, 'trust_missing')] }];
    const { out } = await run('why aaaa');
    expect(out).toContain('attempt 1: wait, no host takes untrusted builds (5s ago)\n');
    expect(out).toContain('has no builder for the build');
  });

  it('says for which host a build waits, and until about when', async () => {
    const later = expected(100, 30_000, 1);
    api.placement = [
      {
        attempt: 2,
        host: null,
        reason: 'waits_for_warm',
        decidedAt: at(60),
        predicted: later,
        considered: [
          host('a', 1, 'awaited', { predicted: later }),
          host('b', 0, 'later', { predicted: expected(60, 120_000, 0) }),
        ],
      },
    ];
    expect((await run('why aaaa')).out).toBe(
      `attempt 2: wait for a, which has its cache: better than a cold start on a free host (5s ago)
  expected: starts after 40.0s, 100% warm, runs 30.0s
  HOST  SLOTS  WARM     START    FINISH  VERDICT
  a       1/2  100%  in 40.0s  in 1m10s  waits for it
  b       1/2    0%       now  in 2m00s  would finish later
`,
    );
  });
});

describe('kiln cancel', () => {
  it('waits for the host, and takes what has ended as it is', async () => {
    api.build = RUNNING;
    api.onCancel = () => {
      setImmediate(() => api.end('canceled'));
      return { status: 202 };
    };
    expect(await run('cancel aaaa')).toMatchObject({ code: 0, out: `${RUNNING.id} canceled\n` });
    api.build = FAILED;
    expect(await run('cancel bbbb')).toMatchObject({ code: 0, out: `${FAILED.id} had already failed\n` });
  });

  it('says who else ended it, or whom it goes on for', async () => {
    api.build = { ...RUNNING, supersededBy: FAILED.id };
    expect((await run('cancel aaaa')).out).toBe(`${RUNNING.id} superseded by ${FAILED.id}\n`);
    api.build = RUNNING;
    api.onCancel = () => {
      api.build = { ...RUNNING, releasedAt: '2026-01-02T03:14:05.000Z' };
      return { status: 200 };
    };
    expect(await run('cancel aaaa')).toMatchObject({
      code: 0,
      out: `${RUNNING.id} goes on for others that share its run, and is canceled with the last of them\n`,
    });
  });

  it('goes on with the others after one that it can’t find', async () => {
    api.build = RUNNING;
    expect(await run('cancel zzzz aaaa')).toMatchObject({
      code: 125,
      out: `${RUNNING.id} canceled\n`,
      err: expect.stringContaining('kiln: zzzz: none of'),
    });
  });
});

describe('kiln logs', () => {
  const step = (state: 'started' | 'completed'): LogRecord => ({
    t: 1,
    type: 'step',
    step: 1,
    name: 'RUN x',
    state,
    ms: 5,
  });

  it('prints what is there, or follows to the end', async () => {
    api.build = RUNNING;
    api.builds = [];
    api.log(step('started'));
    expect(await run(`logs ${RUNNING.id}`)).toMatchObject({ code: 0, out: '#1 RUN x\n' });
    const following = run(`logs -f ${RUNNING.id}`);
    api.log(step('completed'));
    api.end('failed');
    expect(await following).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^#1 RUN x\n#1 DONE 0\.0s\n+kiln: failed\n$/),
    });
  });

  it('gives the records as JSON lines', async () => {
    api.build = RUNNING;
    api.log(step('started'));
    const { out } = await run(`logs --json ${RUNNING.id}`);
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([{ ...step('started'), id: '1.1' }]);
  });

  it('stops following at Ctrl-C, and leaves the build alone', async () => {
    api.build = RUNNING;
    const at = io();
    const shown = Promise.withResolvers<void>();
    at.stdout.onWrite = () => shown.resolve();
    const following = runCli(['logs', '-f', RUNNING.id], at);
    api.log(step('started'));
    await shown.promise;
    at.interrupt();
    expect(await following).toBe(130);
    expect(api.seen.some(({ path }) => path.endsWith('/cancel'))).toBe(false);
  });
});

describe('kiln retry', () => {
  it('prints the new id, or follows the new build', async () => {
    api.build = fakeBuild({ state: 'queued' });
    expect(await run('retry bbbb')).toMatchObject({ code: 0, out: `${api.build.id}\n` });
    api.end('failed', { code: 'build_failed', message: 'no good' });
    expect(await run('retry -f bbbb')).toMatchObject({
      code: 1,
      err: expect.stringContaining('no good [build_failed]'),
    });
  });
});

describe('the rest', () => {
  it('lists hosts', async () => {
    api.hosts = [
      {
        ...{ name: 'host-a', state: 'ready', slots: 4, usedSlots: 1, platforms: ['linux/amd64'], driver: 'docker' },
        ...{ engineVersion: '28.2', buildxVersion: '0.24', builds: [{ id: RUNNING.id, attempt: 1 }] },
        labels: {},
        lastSeenAt: '2026-01-02T03:14:03.000Z',
      },
    ];
    expect((await run('hosts')).out).toBe(
      'HOST    STATE  SLOTS  BUILDS    PLATFORMS    DRIVER  ENGINE  BUILDX  SEEN\n' +
        'host-a  ready    1/4  00aaaaaa  linux/amd64  docker  28.2    0.24      2s\n',
    );
    expect((await run('hosts', { columns: 40, rows: 24 })).out).toContain('host-a  ready    1/4  00aaaaaa    2s\n');
    api.hosts = [];
    expect((await run('hosts')).err).toBe('kiln: no host has joined the pool\n');
  });

  it('shows how much cache hosts have, and what one of them holds', async () => {
    const seen = '2026-01-02T03:14:03.000Z';
    const mount = { id: '6ba69915ad5db538//root/.npm', repos: ['app'], bytes: 30e6, lastUsedAt: seen, records: 1 };
    const host = {
      ...{
        name: 'host-a',
        state: 'ready',
        slots: 4,
        usedSlots: 1,
        labels: {},
        platforms: ['linux/amd64'],
        driver: 'docker',
      },
      ...{ engineVersion: '28.2', buildxVersion: '0.24', builds: [], lastSeenAt: seen },
      ...{ cacheBudgetBytes: 30e9, cacheBudgetFrom: 'engine' },
    };
    const trusted = { trust: ['trusted'], isolation: 'pool', oneDomain: false };
    const caches = { readAt: seen, usedBytes: 1.5e9, mounts: 2, warmRepos: 1, sizesAreFloors: false };
    const inventory = {
      ...{
        readAt: seen,
        usedBytes: 1.5e9,
        sizesAreFloors: false,
        mountsLeftOut: 0,
        layers: { count: 7, bytes: 1.2e9 },
      },
      mounts: [
        { ...mount, inUse: false },
        { ...mount, id: 'team-web/go', repos: [], bytes: 0, inUse: true },
      ],
      repos: [{ repo: 'app', warmth: 0.75, bytes: 30e6, lastUsedAt: '2026-01-02T03:04:05.000Z' }],
    };
    api.hosts = [{ ...host, caches }];
    expect((await run('hosts')).out).toContain('0.24    1.50GB/30.00GB     1    2s\n');
    api.hosts = [{ ...host, caches, inventory }];
    const shown = await run('hosts host-a');
    expect(shown).toMatchObject({ code: 0, err: '' });
    expect(shown.out).toBe(
      [
        'host-a  ready',
        'slots   1 of 4 taken',
        'takes   trusted builds',
        'serves  every team together',
        'engine  28.2, buildx 0.24, driver docker',
        'cache   1.50GB used of 30.00GB by the engine’s own policy, read 2s ago',
        'layers  7, 1.20GB',
        '',
        'REPO  WARM    CACHE  USED',
        'app    75%  30.00MB   10m',
        '',
        'CACHE MOUNT                  REPO     SIZE  USED',
        '6ba69915ad5db538//root/.npm  app   30.00MB    2s',
        'team-web/go                  -          0B   now',
        '',
      ].join('\n'),
    );
    expect(JSON.parse((await run('hosts host-a --json')).out)).toEqual({
      ...{ ...host, ...trusted, caches },
      inventory: {
        ...inventory,
        mounts: inventory.mounts.map((one) => ({ ...one, trust: 'trusted' })),
        repos: inventory.repos.map((one) => ({ ...one, trust: 'trusted' })),
      },
    });
    const own = { trust: 'untrusted' };
    api.hosts = [
      {
        ...{ ...host, caches, trust: ['trusted', 'untrusted'], cacheBudgets: { trusted: 25e9, untrusted: 5e9 } },
        inventory: {
          ...{ ...inventory, usedByDomain: { trusted: 1.3e9, untrusted: 0.2e9 } },
          mounts: inventory.mounts.map((one) => ({ ...one, ...own })),
          repos: [...inventory.repos, ...inventory.repos.map((one) => ({ ...one, ...own, team: 'web' }))],
        },
      },
    ];
    const both = (await run('hosts host-a')).out;
    expect(both).toContain('takes   trusted and untrusted builds, each on a builder of its own\n');
    expect(both).toContain(
      '1.50GB used of 30.00GB by the engine’s own policy (untrusted 200.00MB of 5.00GB), read 2s ago',
    );
    expect(both).toContain('\napp                    75%');
    expect(both).toContain('\napp (untrusted, web)   75%');
    expect(both).toContain('6ba69915ad5db538//root/.npm  app (untrusted)  30.00MB');
    expect(both).toContain('team-web/go                  (untrusted)           0B');
    expect((await run('hosts')).out).toMatch(
      /PLATFORMS {4}TRUST {14}DRIVER.*\n.*linux\/amd64 {2}trusted,untrusted {2}docker/,
    );
    api.hosts = [{ ...host, caches, inventory: { ...inventory, sizesAreFloors: true, mountsLeftOut: 9 } }];
    const floors = (await run('hosts host-a')).out;
    expect(floors).toContain('mounts may be larger by now than shown');
    expect(floors).toContain('\nand 9 more\n');
    api.hosts = [host];
    expect((await run('hosts host-a')).out).toContain(
      'cache   not read yet (budget 30.00GB by the engine’s own policy)\n',
    );
    expect(await run('hosts host-b')).toMatchObject({ code: 125, err: expect.stringContaining('no host host-b') });
  });

  it('takes address and token from the file that kiln up wrote, the token for that address only', async () => {
    await using data = await TempDir.with({});
    await writeFile(join(data.path, 'client.json'), JSON.stringify({ url: api.url, token: api.token }));
    const env = { KILN_DATA_DIR: data.path };
    expect(await runCli(['ps'], fakeIo({ env }))).toBe(0);
    expect(await runCli(['ps', '--url', api.url], fakeIo({ env }))).toBe(125);
    expect(api.seen.at(-1)?.headers.authorization).toBeUndefined();
  });

  it.each([
    ['help', 0, 'Commands:'],
    ['help build', 0, 'Exit codes:'],
    ['build --help', 0, '-t, --tag NAME'],
    ['logs -h', 0, 'kiln logs [FLAGS] ID'],
  ])('%s', async (line, code, text) => {
    expect(await run(line)).toMatchObject({ code, out: expect.stringContaining(text) });
  });

  it('guesses what was meant', async () => {
    expect(await run('biuld')).toMatchObject({
      code: 125,
      err: 'kiln: there is no command "biuld"; did you mean build?\n',
    });
    expect((await run('ps --jsno')).err).toBe(
      'kiln: unknown flag --jsno; did you mean --json?\nSee `kiln ps --help`.\n',
    );
  });
});
