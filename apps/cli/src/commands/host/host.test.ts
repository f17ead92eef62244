import type { HostInfoView } from '@kiln/contracts';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { RealPool } from '../../testing/real-pool.ts';
import { runIn } from '../../testing/run.ts';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();
afterEach(async () => {
  for (const { report, held } of await cli.pool.state.hosts.list()) {
    for (const { buildId, attempt } of held) {
      await cli.pool.state.attempts.settle(
        { buildId, attempt, host: report.name, incarnation: 'i1' },
        { end: 'succeeded' },
      );
    }
    await cli.pool.state.hostOperations.remove(report.name, true);
  }
  // All workers of the tests have the same incarnation, which is refused once its host is removed.
  for (const name of ['a', 'b', 'fits', 'other'])
    await cli.pool.state.redis.del(`${cli.pool.state.keys.host(name)}:removed`);
});

const run = (line: string, at = cli.io()) => runIn(at, line);
const short = (id: string) => id.slice(-8);
const finish = (ref: Awaited<ReturnType<RealPool['assigned']>>) =>
  cli.pool.state.attempts.settle(ref, { end: 'succeeded' });

describe('kiln host cordon and uncordon', () => {
  it('report the result and remaining builds, also if another host doesn’t exist', async () => {
    await cli.pool.report('a');
    const ref = await cli.pool.assigned();
    expect(await run('host cordon nobody a')).toMatchObject({
      code: 125,
      out: `a cordoned; 1 build left: ${short(ref.buildId)}\n`,
      err:
        'kiln: nobody: no host nobody in this pool [host_not_found]\n' +
        '  name: got "nobody", expected the name of a host; GET /v1/hosts lists them\n' +
        '`kiln host ls` lists all.\n',
    });
    expect((await run('host ls')).out).toContain('cordoned');
    expect(await run('host uncordon a')).toMatchObject({ code: 0, out: 'a uncordoned\n' });
  });

  it('print the host as JSON with --json', async () => {
    await cli.pool.report('a');
    expect(JSON.parse((await run('host cordon --json a')).out)).toMatchObject({ name: 'a', state: 'cordoned' });
  });
});

describe('kiln host drain', () => {
  it('reports remaining builds and the time that is left', async () => {
    await cli.pool.report('a');
    const ref = await cli.pool.assigned();
    const still = `1 build left: ${short(ref.buildId)}`;
    expect((await run('host drain --deadline 10m a')).out).toMatch(
      new RegExp(`^a draining; ${still} \\((?:10m00s|9m\\d\\ds) left\\)\n$`),
    );
    expect((await run('host ls', cli.io({ terminal: { columns: 100, rows: 9 } }))).out).toMatch(
      /draining, (?:10m00s|9m\d\ds) left/,
    );
    expect((await run('host drain a')).out).toBe(`a draining; ${still}\n`);
    await finish(ref);
    expect((await run('host drain a')).out).toBe('a drained\n');
  });

  it('waits with --wait and reports progress', async () => {
    await cli.pool.report('a');
    const refs = [await cli.pool.assigned(), await cli.pool.assigned()];
    const at = cli.io();
    const draining = run('host drain --wait a', at);
    await at.said('2 builds left');
    for (const ref of refs) await finish(ref);
    expect(await draining).toMatchObject({ code: 0, out: 'a drained\n' });
  });

  it('treats a host whose worker leaves as drained', async () => {
    await cli.pool.report('a');
    const ref = await cli.pool.assigned();
    const at = cli.io();
    const draining = run('host drain -w a', at);
    await at.said('1 build left');
    await finish(ref);
    await cli.pool.state.hosts.leave('a', 'i1', true);
    expect(await draining).toMatchObject({ code: 0, out: expect.stringMatching(/^a drained/) });
  });

  it('stops waiting at Ctrl-C, when the drain is called off, and when the host is lost', async () => {
    await cli.pool.report('a');
    const ref = await cli.pool.assigned();
    const outcomes = [];
    for (const interfere of [
      (at: ReturnType<typeof cli.io>) => at.interrupt(),
      () => cli.pool.state.hostOperations.uncordon('a'),
      () => cli.pool.state.redis.del(cli.pool.state.keys.hostLease('a')),
    ]) {
      const at = cli.io();
      const draining = run('host drain -w a', at);
      await at.said('1 build left');
      await interfere(at);
      const { code, err } = await draining;
      outcomes.push([code, err.trimEnd().split('\n').at(-1)]);
    }
    expect(outcomes).toEqual([
      [130, 'kiln: stopped waiting; the drain continues'],
      [1, 'kiln: a is ready: the drain was called off'],
      [1, 'kiln: a was lost; its builds return to the queue'],
    ]);
    await cli.pool.state.builds.cancel(ref.buildId);
  });

  it.each([
    ['host drain --deadline soon a', '--deadline: got "soon", expected a duration such as 90s, 20m or 1h30m'],
    ['host drain', 'usage: kiln host drain [FLAGS] NAME...\nSee `kiln host drain --help`.'],
    ['host dran a', 'no command kiln host dran; did you mean drain?'],
    ['host list', 'no command kiln host list; use kiln host ls'],
    ['host drain Not_A_Name', 'got "Not_A_Name"'],
  ])('refuses %s', async (line, words) => {
    expect(await run(line)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
  });
});

describe('kiln host set', () => {
  it('overrides what the worker reports, shows that, and restores it', async () => {
    await cli.pool.report('a', { labels: { disk: 'ssd', zone: 'a' } });
    expect((await run('host set a --slots 4 --label disk=nvme --label zone- -l gpu=')).out).toBe(
      'a: 4 slots, labels disk=nvme,gpu; set: slots=4 disk=nvme gpu= zone-\n',
    );
    expect((await run('host ls')).out).toMatch(/^HOST +STATE +SLOTS +BUILDS +LABELS +SET /);
    expect((await run('host ls')).out).toMatch(/ 0\/4 +- +disk=nvme,gpu +slots=4 disk=nvme gpu= zone- /);
    expect((await run('host set a --slots default --label zone=b')).out).toContain(
      '2 slots, labels disk=nvme,gpu,zone=b',
    );
    expect((await run('host set --reset a')).out).toBe('a: 2 slots, labels disk=ssd,zone=a; set: nothing\n');
    expect((await run('host ls')).out).not.toContain('SET');
  });

  it('reports that more slots are in use than there are', async () => {
    await cli.pool.report('a');
    await cli.pool.assigned();
    await cli.pool.assigned();
    expect((await run('host set a --slots 1')).out).toBe(
      'a: 1 slot (2 in use; no new builds until slots are free), labels none; set: slots=1\n',
    );
  });

  it.each([
    ['host set a', 'nothing to set; use --slots, --label or --reset'],
    ['host set a --slots 0', '--slots: got "0", expected a whole number from 1 to 1024, or default'],
    ['host set a --label x', '--label: got "x", expected KEY=VALUE to set it, or KEY- to remove it'],
    ['host set a --label BAD=x', 'labels.BAD: got "x", expected a label of lower-case letters'],
  ])('refuses %s', async (line, words) => {
    await cli.pool.report('a');
    expect(await run(line)).toMatchObject({ code: 125, err: expect.stringContaining(words) });
  });
});

describe('kiln host rm', () => {
  it('refuses to remove the last hosts of the pool without --force', async () => {
    await cli.pool.report('a');
    expect(await run('host rm a')).toMatchObject({
      code: 125,
      out: '',
      err: 'kiln: a is the only host of the pool, and no build can run without one\nAdd another host first, or use --force.\n',
    });
    await cli.pool.report('b');
    expect((await run('host rm b a')).err).toContain('a, b are all hosts of the pool');
    expect(await run('host rm b')).toMatchObject({ code: 0, out: 'b removed\n' });
    expect(await run('host rm --force a')).toMatchObject({ code: 0, out: 'a removed\n' });
    expect((await run('host ls')).err).toBe('kiln: no host has joined the pool\n');
  });

  it('removes an empty host, and refuses a busy one with advice', async () => {
    await cli.pool.report('a');
    await cli.pool.report('other', { labels: {} });
    const ref = await cli.pool.assigned();
    const { code, err } = await run('host rm a');
    expect(code).toBe(125);
    expect(err).toContain(`host a still has build ${ref.buildId}`);
    expect(err).toContain('Empty it with `kiln host drain --wait a`, or do both with `kiln host rm --force a`.');
    await finish(ref);
    expect(await run('host rm a')).toMatchObject({ code: 0, out: 'a removed\n' });
  });

  it('with --force, waits until the builds have returned to the queue', async () => {
    await cli.pool.report('a');
    const ref = await cli.pool.assigned();
    const at = cli.io();
    const removing = run('host rm --force a', at);
    await at.said('is returning its builds; 1 build left');
    await cli.pool.state.attempts.settle(ref, { end: 'failed', failure: { code: 'host_drained', message: 'drained' } });
    await expect(cli.pool.report('a')).rejects.toMatchObject({ code: 'host_removed' });
    expect(await removing).toMatchObject({ code: 0, out: 'a removed\n' });
    await cli.pool.state.builds.cancel(ref.buildId);
  });

  it('with --force, also returns the builds of a lost host to the queue', async () => {
    await cli.pool.report('a');
    const ref = await cli.pool.assigned();
    await cli.pool.state.redis.del(cli.pool.state.keys.hostLease('a'));
    expect(await run('host rm -f a')).toMatchObject({ code: 0, out: 'a removed\n' });
    expect((await cli.pool.state.builds.get(ref.buildId))?.record).toMatchObject({ state: 'queued' });
    await cli.pool.state.builds.cancel(ref.buildId);
  });
});

describe('kiln host ls', () => {
  it('lists platforms that a host emulates apart from those of its processor', async () => {
    const emulated = ['linux/arm64', 'linux/s390x'];
    await cli.pool.report('a', { platforms: ['linux/amd64', 'linux/amd64/v2', ...emulated], emulated });
    expect((await run('host ls')).out).toContain('linux/amd64(+v2) emulated: linux/arm64,linux/s390x');
    const [host] = JSON.parse((await run('host ls --json')).out).hosts;
    expect(host).toMatchObject({ name: 'a', emulated });
  });

  it('shows state, slots, labels, disk and versions, as far as there is room', async () => {
    await cli.pool.report('a', {
      labels: { disk: 'nvme' },
      buildkitVersion: '0.12.5',
      disk: { totalBytes: 500_000_000_000, freeBytes: 20_500_000_000 },
    });
    await cli.pool.report('b');
    await cli.pool.state.redis.del(cli.pool.state.keys.hostLease('b'));
    expect((await run('host ls')).out.replace(/\d+s\n/g, 'Xs\n')).toBe(
      'HOST  STATE  SLOTS  BUILDS  LABELS      FREE DISK  PLATFORMS            DRIVER  ENGINE  BUILDKIT  BUILDX  SEEN\n' +
        'a     ready    0/2  -       disk=nvme  20GB/500GB  linux/amd64(+v2,v3)  docker  26.1.5  0.12.5    0.13.1    Xs\n' +
        'b     lost     0/2  -       -                   -  linux/amd64(+v2,v3)  docker  26.1.5  -         0.13.1    Xs\n',
    );
    expect((await run('host ls', cli.io({ terminal: { columns: 60, rows: 9 } }))).out).toContain(
      'a     ready    0/2  -       disk=nvme',
    );
    const { hosts } = JSON.parse((await run('host ls --json')).out) as { hosts: HostInfoView[] };
    expect(hosts.map(({ state }) => state)).toEqual(['ready', 'lost']);
  });
});

describe('kiln why', () => {
  it('shows that the only host that fits is draining, and places the build there after uncordon', async () => {
    await cli.pool.report('fits', { labels: { disk: 'nvme' } });
    await cli.pool.report('other');
    await run('host drain fits');
    const id = await cli.pool.submit({ hostLabels: { disk: 'nvme' } });
    const words = async () => (await run(`why ${id}`)).out;
    await expect.poll(words, { timeout: 60_000 }).toContain('wait');
    expect(await words()).toMatch(
      /wait, no host fits .*\n.*\n +fits +0\/2 +0% +draining\n +other +0\/2 +0% +lacks a label\n$/,
    );
    await run('host uncordon fits');
    const record = async () => (await cli.pool.state.builds.get(id))?.record;
    await expect.poll(record, { timeout: 60_000 }).toMatchObject({ state: 'assigned', attempts: [{ host: 'fits' }] });
  });
});

it.each([
  ['host', 125, 'Commands:'],
  ['host --help', 0, 'uncordon'],
  ['help host', 0, 'Commands:'],
  ['host drain --help', 0, '--deadline DURATION'],
  ['host set -h', 0, 'or remove it with KEY-'],
])('prints help for %s', async (line, code, text) => {
  expect(await run(line)).toMatchObject({ code, out: expect.stringContaining(text) });
});

describe('caches that move from one host to another', () => {
  const writer = (host: string) => ({ host, incarnation: 'i1' });
  const ORDER = { type: 'save', repo: 'app', domain: 'trusted' } as const;

  /** Hosts a and b, and an order of the leader to copy caches from a to b. Returns the task that saves them. */
  async function moving(): Promise<string> {
    const { tasks } = cli.pool.state;
    for (const name of ['a', 'b']) await cli.pool.report(name, { tasks: ['save', 'seed'] });
    const parts = { bytes: 9, expectedMs: 60_000, warmth: 1 };
    const seedAfter = { task: tasks.newId(), host: 'b', repo: 'app', domain: 'trusted', ...parts };
    await tasks.create('a', { ...ORDER, snapshot: tasks.newId(), seedAfter });
    const claimed = await tasks.claim(writer('a'), ['save']);
    await tasks.progress(writer('a'), claimed?.id ?? '', { bytes: 2_000_000, totalBytes: 5_000_000 });
    return claimed?.id ?? '';
  }
  const saved = (id: string) => cli.pool.state.tasks.settle(writer('a'), id, { result: { bytes: 9 } });
  /** Carries out the seed that the scheduler then orders. */
  const filled = async () => {
    const { tasks } = cli.pool.state;
    const seed = await vi.waitFor(
      async () => {
        const claimed = await tasks.claim(writer('b'), ['seed']);
        if (!claimed) throw new Error('the seed is not ordered yet');
        return claimed;
      },
      { timeout: 60_000, interval: 20 },
    );
    await tasks.settle(writer('b'), seed.id, { result: { bytes: 9 } });
  };

  it('are shown with both hosts', async () => {
    await moving();
    for (const name of ['a', 'b']) {
      expect((await run(`host show ${name}`)).out).toContain('\nmoving  app from a to b: saving, 2.00MB of 5.00MB\n');
      expect(JSON.parse((await run(`host show ${name} --json`)).out)).toMatchObject({
        name,
        moving: [{ from: 'a', to: 'b', repo: 'app', task: { type: 'save', progress: { bytes: 2_000_000 } } }],
      });
    }
  });

  it('are waited for by drain --wait, which says so, until they have arrived', async () => {
    const id = await moving();
    const at = cli.io();
    const draining = run('host drain --wait a', at);
    await at.said('a is giving its caches to other hosts; app from a to b: saving, 2.00MB of 5.00MB');
    await saved(id);
    await at.said('app from a to b: filling');
    await filled();
    expect(await draining).toMatchObject({ code: 0, out: 'a drained\n' });
  });

  it('are waited for by remove, but not with --no-wait or --force', async () => {
    const id = await moving();
    await cli.pool.report('other');
    const at = cli.io();
    const removing = run('host rm b a', at);
    await at.said('a is giving its caches');
    expect((await run('host ls')).out).toMatch(/^a /m);
    await saved(id);
    expect((await removing).out).toContain('a removed');
    for (const flag of ['--no-wait', '--force']) {
      for (const name of ['a', 'b']) await cli.pool.state.redis.del(`${cli.pool.state.keys.host(name)}:removed`);
      await moving();
      expect(await run(`host rm ${flag} a`)).toMatchObject({ code: 0, out: 'a removed\n', err: '' });
    }
  });
});
