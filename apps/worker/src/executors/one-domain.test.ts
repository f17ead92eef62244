import { pendingBuild } from '@kiln/state';
import { beforeEach, describe, expect, test } from 'vitest';
import { DomainSource } from '../testing/domain-source.ts';
import { type TestHost, useTestHost } from '../testing/test-host.ts';

const [WEB, OPS] = ['trusted team web', 'trusted team ops'];
const fixture = useTestHost();
let pool: TestHost;
let source: DomainSource;

beforeEach(async () => {
  pool = fixture.host;
  source = new DomainSource(true);
  await pool.start({ slots: 4, syncEveryMs: 50 }, { executors: source, engineCheckEveryMs: 10 });
});

const assign = async (team: string): Promise<string> => pool.assign(await pool.accept({ request: { team } }));
const build = async (team: string) => pool.build(await pool.deliver({ request: { team } }));

describe('a host that serves one domain', () => {
  test('serves the domain of its first build, reports that, and gets no other builds', async () => {
    expect((await pool.host()).serves).toBeUndefined();
    await build('web');
    expect((await pool.host(({ serves }) => serves === WEB)).report).toMatchObject({ oneDomain: true, domain: WEB });
    expect(await assign('ops')).toBe('host_unfit');
    expect(await build('web')).toMatchObject({ state: 'succeeded' });
  });

  test('serves the domain of the first build that is assigned to it, even before the worker reports that', async () => {
    await assign('web');
    expect((await pool.host()).serves).toBe(WEB);
    expect(await assign('ops')).toBe('host_unfit');
    expect(await assign('web')).toBe('assigned');
  });

  test('hands a build back with host_taken if another worker has claimed the engine, and neither host nor build is blamed', async () => {
    const id = await pool.deliver({ request: { team: 'web' } });
    // Another worker of the same engine is faster.
    source.domain = OPS;
    const back = await pool.build(id, ({ state, attempts }) => state === 'queued' && attempts.length === 1);
    expect(back.attempts).toMatchObject([
      {
        failure: {
          code: 'host_taken',
          message: 'this host serves only trusted builds of team ops, and handed the build back',
        },
      },
    ]);
    expect(source.ran).toEqual([]);
    expect((await pool.host()).serves).toBe(OPS);
    expect(await assign('web')).toBe('host_unfit');
    const stored = await pool.state.builds.get(id);
    expect(stored && pendingBuild(stored).lostOn).toEqual([]);
  });
});
