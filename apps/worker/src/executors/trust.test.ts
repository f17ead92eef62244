import type { BuildRecord, Outcome, Trust } from '@kiln/domain';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ExecuteRequest, Executor } from '../engine/executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { type TestBuild, type TestHost, useTestHost } from '../testing/test-host.ts';

const fixture = useTestHost();
let pool: TestHost;
let builders: Record<Trust, FakeBuilder>;

beforeEach(async () => {
  pool = fixture.host;
  builders = { trusted: new FakeBuilder('trusted'), untrusted: new FakeBuilder('untrusted') };
});

/** Builds that succeed at once and are recorded. */
class FakeBuilder implements Executor {
  readonly info: Executor['info'];
  readonly ran: ExecuteRequest[] = [];
  fencedUntilMs = 0;
  isAway = false;

  constructor(trust: Trust) {
    this.info = {
      trust,
      driver: 'docker-container',
      engineVersion: '1',
      buildxVersion: '1',
      platforms: ['linux/amd64'],
    };
  }

  run = async (request: ExecuteRequest): Promise<Outcome> => {
    this.ran.push(request);
    return { end: 'succeeded' };
  };
  ping = async () => {
    if (this.isAway) throw new Error('no such container');
  };
  extendFence = async (untilMs: number) => {
    this.fencedUntilMs = untilMs;
  };
  close = async () => {};
}

async function startHost(...classes: [Trust, ...Trust[]]): Promise<void> {
  const [first, ...more] = classes;
  const executors = fixedExecutors([builders[first], ...more.map((trust) => builders[trust])]);
  await pool.start({}, { executors, engineCheckEveryMs: 10 });
}

/** Gets a build to the host without the API, which would check it first; resolves when it is as `seen` wants it. */
async function deliver(
  trust: Trust,
  build: Omit<TestBuild, 'trust'> = {},
  seen?: (record: BuildRecord) => boolean,
): Promise<BuildRecord> {
  return pool.build(await pool.deliver({ ...build, trust }), seen);
}

/** Waits until the host reports exactly these domains as away. */
const away = (...domains: string[]) => pool.host(({ report }) => report.domainsAway?.join() === domains.join());
const accepting = (is: boolean) => pool.host(({ report }) => report.accepting === is);

describe('the builder of a trust class', () => {
  test('runs the builds of its class, under cache keys of their own', async () => {
    await startHost('trusted', 'untrusted');
    await deliver('trusted');
    await deliver('untrusted');
    const ran = ({ ran: requests }: FakeBuilder) => requests.map(({ trust, repo }) => [trust, repo]);
    expect(ran(builders.trusted)).toEqual([['trusted', 'app']]);
    expect(ran(builders.untrusted)).toEqual([['untrusted', 'untrusted default app']]);
    expect(builders.untrusted.fencedUntilMs).toBeGreaterThan(Date.now());
    expect(builders.untrusted.fencedUntilMs).toBe(builders.trusted.fencedUntilMs);
  });

  test('is in the host’s report, and a host without it can’t be assigned a build of the class', async () => {
    await startHost('untrusted');
    expect((await pool.host()).report.trust).toEqual(['untrusted']);
    await expect(deliver('trusted')).rejects.toThrow('host_unfit');
    await deliver('untrusted');
  });

  test('gets no build that reaches a host without it; the build goes back to the pool', async () => {
    await startHost('trusted');
    const back = await deliver('untrusted', { assignedAs: 'trusted' }, ({ state }) => state === 'queued');
    expect(back.attempts).toMatchObject([
      { end: 'lost', failure: { code: 'infrastructure', message: 'this host has no builder for untrusted builds' } },
    ]);
    expect(builders.trusted.ran).toEqual([]);
  });

  test('takes only its domain out of the host’s offer while it is away', async () => {
    await startHost('trusted', 'untrusted');
    builders.untrusted.isAway = true;
    await away('untrusted');
    expect((await pool.host()).report.accepting).toBe(true);
    await deliver('trusted');
    builders.trusted.isAway = true;
    await accepting(false);
    builders.untrusted.isAway = false;
    await away('trusted');
    builders.trusted.isAway = false;
    await away('');
    await accepting(true);
  });
});

describe('an untrusted build', () => {
  const push = { request: { output: { type: 'push' as const }, tags: ['r.example/previews/app:1'] } };
  const source = { type: 'upload' as const, name: 'app', digest: `sha256:${'a'.repeat(64)}` };
  const base = { source, ...push.request };

  test.each([
    ['a push', push, 'output.type: got "push", expected "none" or "artifact", because the build is untrusted'],
    [
      'a push of a further target',
      { request: { bake: { name: 'app', targets: { base } } } },
      'bake.targets.base.output.type: got "push", expected "none" or "artifact"',
    ],
    ['a load', { request: { output: { type: 'load' as const } }, granted: { push: true } }, 'output.type: got "load"'],
    ['a secret', { secrets: { npm: 's3cret' } }, 'secrets: got npm, expected none, because the build is untrusted'],
    [
      'another secret',
      { secrets: { npm: 'a', a: 'b' }, granted: { secrets: ['a'] } },
      'secrets: got npm, expected none',
    ],
  ])('that asks for %s is refused by the worker, too', async (_what, wanted, words) => {
    await startHost('trusted', 'untrusted');
    const { state: end, failure, attempts } = await deliver('untrusted', wanted);
    expect([end, failure?.code, attempts.length]).toEqual(['failed', 'trust_refused', 1]);
    expect(failure?.message).toContain(words);
    expect(builders.untrusted.ran).toEqual([]);
    expect(await deliver('trusted', wanted)).toMatchObject({ state: 'succeeded' });
  });

  test('gets what it was granted when it was accepted', async () => {
    await startHost('untrusted');
    const granted = { push: true, secrets: ['npm'] };
    expect(await deliver('untrusted', { ...push, secrets: { npm: 'x' }, granted })).toMatchObject({
      state: 'succeeded',
    });
    expect(builders.untrusted.ran[0]?.secrets).toEqual(new Map([['npm', 'x']]));
  });
});
