import type { HostInfoView } from '@kiln/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../cli.ts';
import { fakeIo } from '../testing/fake-io.ts';
import { RealPool } from '../testing/real-pool.ts';

let pool: RealPool;
beforeAll(async () => {
  pool = await RealPool.start();
});
afterAll(() => pool[Symbol.asyncDispose]());
afterEach(async () => {
  for (const { report, held } of await pool.state.hosts.list()) {
    for (const { buildId, attempt } of held) {
      await pool.state.attempts.settle(
        { buildId, attempt, host: report.name, incarnation: 'i1' },
        { end: 'succeeded' },
      );
    }
    await pool.state.hostOperations.remove(report.name, true);
  }
  // The tests' workers are all of one incarnation, which is refused once its host is removed.
  for (const name of ['a', 'b', 'fits', 'other']) await pool.state.redis.del(`${pool.state.keys.host(name)}:removed`);
});

const io = (terminal?: { columns: number; rows: number }) => fakeIo({ env: pool.env, ...(terminal && { terminal }) });

async function run(line: string, at = io()) {
  const code = await runCli(line.split(' '), at);
  return { code, out: at.stdout.text, err: at.stderr.text };
}
const short = (id: string) => id.slice(-8);
const finish = (ref: Awaited<ReturnType<RealPool['assigned']>>) =>
  pool.state.attempts.settle(ref, { end: 'succeeded' });

describe('kiln host cordon and uncordon', () => {
  it('say what was done, and what still runs; one host that isn’t there keeps nobody', async () => {
    await pool.report('a');
    const ref = await pool.assigned();
    expect(await run('host cordon nobody a')).toMatchObject({
      code: 125,
      out: `a cordoned; 1 build still there: ${short(ref.buildId)}\n`,
      err:
        'kiln: nobody: no host nobody in this pool [host_not_found]\n' +
        '  name: got "nobody", expected the name of a host; GET /v1/hosts lists them\n' +
        '`kiln hosts` lists those that there are.\n',
    });
    expect((await run('hosts')).out).toContain('cordoned');
    expect(await run('host uncordon a')).toMatchObject({ code: 0, out: 'a uncordoned\n' });
  });

  it('give the host as the API shows it with --json', async () => {
    await pool.report('a');
    expect(JSON.parse((await run('host cordon --json a')).out)).toMatchObject({ name: 'a', state: 'cordoned' });
  });
});

describe('kiln host drain', () => {
  it('tells what still runs, and how long that may', async () => {
    await pool.report('a');
    const ref = await pool.assigned();
    const still = `1 build still there: ${short(ref.buildId)}`;
    expect((await run('host drain --deadline 10m a')).out).toMatch(
      new RegExp(`^a draining; ${still} \\((?:10m00s|9m\\d\\ds) left\\)\n$`),
    );
    expect((await run('hosts', io({ columns: 100, rows: 9 }))).out).toMatch(/draining, (?:10m00s|9m\d\ds) left/);
    expect((await run('host drain a')).out).toBe(`a draining; ${still}\n`);
    await finish(ref);
    expect((await run('host drain a')).out).toBe('a drained\n');
  });

  it('waits with --wait, and says how it goes', async () => {
    await pool.report('a');
    const refs = [await pool.assigned(), await pool.assigned()];
    const at = io();
    const draining = run('host drain --wait a', at);
    await at.said('2 builds still there');
    for (const ref of refs) await finish(ref);
    expect(await draining).toMatchObject({ code: 0, out: 'a drained\n' });
  });

  it('takes a worker that leaves for what it is', async () => {
    await pool.report('a');
    const ref = await pool.assigned();
    const at = io();
    const draining = run('host drain -w a', at);
    await at.said('1 build still there');
    await finish(ref);
    await pool.state.hosts.leave('a', 'i1', true);
    expect(await draining).toMatchObject({ code: 0, out: expect.stringMatching(/^a drained/) });
  });

  it('ends its waiting at Ctrl-C, when the drain is called off, and when the host is lost', async () => {
    await pool.report('a');
    const ref = await pool.assigned();
    const outcomes = [];
    for (const interfere of [
      (at: ReturnType<typeof io>) => at.interrupt(),
      () => pool.state.hostOperations.uncordon('a'),
      () => pool.state.redis.del(pool.state.keys.hostLease('a')),
    ]) {
      const at = io();
      const draining = run('host drain -w a', at);
      await at.said('1 build still there');
      await interfere(at);
      const { code, err } = await draining;
      outcomes.push([code, err.trimEnd().split('\n').at(-1)]);
    }
    expect(outcomes).toEqual([
      [130, 'kiln: not waiting any longer; the drain goes on'],
      [1, 'kiln: a is ready: somebody has called the drain off'],
      [1, 'kiln: a was lost; the pool takes back what it held'],
    ]);
    await pool.state.builds.cancel(ref.buildId);
  });

  it.each([
    ['host drain --deadline soon a', '--deadline soon: expected a duration such as 90s, 20m or 1h30m'],
    ['host drain', 'usage: kiln host drain [FLAGS] NAME…\nSee `kiln host drain --help`.'],
    ['host dran a', 'there is no kiln host dran; did you mean drain?'],
    ['host list', 'there is no kiln host list; kiln hosts lists them'],
    ['host drain Not_A_Name', 'got "Not_A_Name"'],
  ])('%s is refused', async (line, words) => {
    expect(await run(line)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
  });
});

describe('kiln host set', () => {
  it('sets over what the worker reports, shows that, and takes it back', async () => {
    await pool.report('a', { labels: { disk: 'ssd', zone: 'a' } });
    expect((await run('host set a --slots 4 --label disk=nvme --label zone- -l gpu=')).out).toBe(
      'a: 4 slots, labels disk=nvme,gpu; set: slots=4 disk=nvme gpu= zone-\n',
    );
    expect((await run('hosts')).out).toMatch(/^HOST +STATE +SLOTS +BUILDS +LABELS +SET /);
    expect((await run('hosts')).out).toMatch(/ 0\/4 +- +disk=nvme,gpu +slots=4 disk=nvme gpu= zone- /);
    expect((await run('host set a --slots default --label zone=b')).out).toContain(
      '2 slots, labels disk=nvme,gpu,zone=b',
    );
    expect((await run('host set --reset a')).out).toBe('a: 2 slots, labels disk=ssd,zone=a; set: nothing\n');
    expect((await run('hosts')).out).not.toContain('SET');
  });

  it('says so when more is taken than there are slots', async () => {
    await pool.report('a');
    await pool.assigned();
    await pool.assigned();
    expect((await run('host set a --slots 1')).out).toBe(
      'a: 1 slot (2 taken: nothing new until there is room), labels none; set: slots=1\n',
    );
  });

  it.each([
    ['host set a', 'nothing to set: give --slots, --label or --reset'],
    ['host set a --slots 0', '--slots 0: expected a whole number from 1 to 1024, or default'],
    ['host set a --label x', '--label x: expected KEY=VALUE to set it, or KEY- to take it away'],
    ['host set a --label BAD=x', 'labels.BAD: got "x", expected a label of lower-case letters'],
  ])('%s is refused', async (line, words) => {
    await pool.report('a');
    expect(await run(line)).toMatchObject({ code: 125, err: expect.stringContaining(words) });
  });
});

describe('kiln host remove', () => {
  it('removes an empty host, and refuses a busy one with what to do', async () => {
    await pool.report('a');
    const ref = await pool.assigned();
    const { code, err } = await run('host remove a');
    expect(code).toBe(125);
    expect(err).toContain(`host a still has build ${ref.buildId}`);
    expect(err).toContain('`kiln host drain --wait a` empties it, `kiln host remove --force a` does both.');
    await finish(ref);
    expect(await run('host remove a')).toMatchObject({ code: 0, out: 'a removed\n' });
    expect((await run('hosts')).err).toBe('kiln: no host has joined the pool\n');
  });

  it('with --force waits until the host has handed back', async () => {
    await pool.report('a');
    const ref = await pool.assigned();
    const at = io();
    const removing = run('host remove --force a', at);
    await at.said('hands back; 1 build still there');
    await pool.state.attempts.settle(ref, { end: 'failed', failure: { code: 'host_drained', message: 'drained' } });
    await expect(pool.report('a')).rejects.toMatchObject({ code: 'host_removed' });
    expect(await removing).toMatchObject({ code: 0, out: 'a removed\n' });
    await pool.state.builds.cancel(ref.buildId);
  });

  it('with --force takes a dead host’s builds back too', async () => {
    await pool.report('a');
    const ref = await pool.assigned();
    await pool.state.redis.del(pool.state.keys.hostLease('a'));
    expect(await run('host remove -f a')).toMatchObject({ code: 0, out: 'a removed\n' });
    expect((await pool.state.builds.get(ref.buildId))?.record).toMatchObject({ state: 'queued' });
    await pool.state.builds.cancel(ref.buildId);
  });
});

describe('kiln hosts', () => {
  it('shows state, slots, labels, disk and versions, as much as there is room for', async () => {
    await pool.report('a', {
      labels: { disk: 'nvme' },
      buildkitVersion: '0.12.5',
      disk: { totalBytes: 500_000_000_000, freeBytes: 20_500_000_000 },
    });
    await pool.report('b');
    await pool.state.redis.del(pool.state.keys.hostLease('b'));
    expect((await run('hosts')).out.replace(/\d+s\n/g, 'Xs\n')).toBe(
      'HOST  STATE  SLOTS  BUILDS  LABELS      FREE DISK  PLATFORMS            DRIVER  ENGINE  BUILDKIT  BUILDX  SEEN\n' +
        'a     ready    0/2  -       disk=nvme  20GB/500GB  linux/amd64(+v2,v3)  docker  26.1.5  0.12.5    0.13.1    Xs\n' +
        'b     lost     0/2  -       -                   -  linux/amd64(+v2,v3)  docker  26.1.5  -         0.13.1    Xs\n',
    );
    expect((await run('hosts', io({ columns: 60, rows: 9 }))).out).toContain('a     ready    0/2  -       disk=nvme');
    const { hosts } = JSON.parse((await run('hosts --json')).out) as { hosts: HostInfoView[] };
    expect(hosts.map(({ state }) => state)).toEqual(['ready', 'lost']);
  });
});

describe('kiln why', () => {
  it('says that the last host that fits takes nothing new, and the build goes there when it does again', async () => {
    await pool.report('fits', { labels: { disk: 'nvme' } });
    await pool.report('other');
    await run('host drain fits');
    const id = await pool.submit({ hostLabels: { disk: 'nvme' } });
    const words = async () => (await run(`why ${id}`)).out;
    while (!(await words()).includes('wait')) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await words()).toMatch(
      /wait, no host fits .*\n.*\n +fits +0\/2 +0% +draining\n +other +0\/2 +0% +lacks a label\n$/,
    );
    await run('host uncordon fits');
    for (;;) {
      const record = (await pool.state.builds.get(id))?.record;
      if (record?.state === 'assigned') break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect((await pool.state.builds.get(id))?.record.attempts).toMatchObject([{ host: 'fits' }]);
  });
});

it.each([
  ['host', 125, 'Commands:'],
  ['host --help', 0, 'uncordon'],
  ['help host', 0, 'Commands:'],
  ['host drain --help', 0, '--deadline DURATION'],
  ['host set -h', 0, 'KEY- takes it away'],
])('%s', async (line, code, text) => {
  expect(await run(line)).toMatchObject({ code, out: expect.stringContaining(text) });
});
