import { describe, expect, it } from 'vitest';
import { NOW, RUNNING } from '../../testing/builds.ts';
import { withFakeApi } from '../../testing/with-fake-api.ts';

const cli = withFakeApi({ now: () => NOW });

describe('kiln host ls', () => {
  it('lists hosts, and fewer columns on a narrow terminal', async () => {
    cli.api.hosts = [
      {
        ...{ name: 'host-a', state: 'ready', slots: 4, usedSlots: 1, platforms: ['linux/amd64'], driver: 'docker' },
        ...{ engineVersion: '28.2', buildxVersion: '0.24', builds: [{ id: RUNNING.id, attempt: 1 }] },
        labels: {},
        lastSeenAt: '2026-01-02T03:14:03.000Z',
      },
    ];
    expect((await cli.run('host ls')).out).toBe(
      'HOST    STATE  SLOTS  BUILDS    PLATFORMS    DRIVER  ENGINE  BUILDX  SEEN\n' +
        'host-a  ready    1/4  00aaaaaa  linux/amd64  docker  28.2    0.24      2s\n',
    );
    expect((await cli.run('host ls', { terminal: { columns: 40, rows: 24 } })).out).toContain(
      'host-a  ready    1/4  00aaaaaa    2s\n',
    );
    cli.api.hosts = cli.api.hosts.map((host) => Object.assign({}, host, { conditions: ['low_disk'] }));
    expect((await cli.run('host ls')).out).toContain('host-a  ready (low disk)    1/4');
    cli.api.hosts = [];
    expect((await cli.run('host ls')).err).toBe('kiln: no host has joined the pool\n');
  });

  it('lists hosts by what their loss would cost, with the dearest caches of each', async () => {
    const cache = { repo: 'app', team: 'web', trust: 'trusted', secondsPerHour: 90, onlyCopy: true, bytes: 10 };
    const losses = [
      { name: 'host-b', secondsPerHour: 0, builds: 0, caches: [] },
      { name: 'host-a', secondsPerHour: 90.5, builds: 2, caches: [cache] },
    ];
    cli.api.hostLosses = losses;
    expect((await cli.run('host ls --cheapest-to-lose')).out).toBe(
      'HOST    COSTS PER HOUR  BUILDS  DEAREST CACHES\n' +
        'host-b              0s       0  -\n' +
        'host-a           1m30s       2  app (web) 1m30s (only copy)\n',
    );
    expect(JSON.parse((await cli.run('host ls --cheapest-to-lose --json')).out)).toEqual({ hosts: losses });
    const both = await cli.run('host ls host-a --cheapest-to-lose');
    expect(both.err).toContain('got 1 argument, expected none; usage: kiln host ls [FLAGS]');
    cli.api.hostLosses = [];
    expect((await cli.run('host ls --cheapest-to-lose')).err).toBe('kiln: no host takes builds\n');
  });

  it('shows the size of caches, and the contents of one host’s caches', async () => {
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
    cli.api.hosts = [{ ...host, caches }];
    expect((await cli.run('host ls')).out).toContain('0.24    1.50GB/30.00GB     1    2s\n');
    cli.api.hosts = [{ ...host, caches, inventory }];
    const shown = await cli.run('host show host-a');
    expect(shown).toMatchObject({ code: 0, err: '' });
    expect(shown.out).toBe(
      [
        'host-a  ready',
        'slots   1 of 4 in use',
        'takes   trusted builds',
        'serves  all teams together',
        'engine  28.2, buildx 0.24, driver docker',
        'cache   1.50GB used of 30.00GB by the engine’s policy, measured 2s ago',
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
    expect(JSON.parse((await cli.run('host show host-a --json')).out)).toEqual({
      ...{ ...host, ...trusted, caches, moving: [] },
      inventory: {
        ...inventory,
        mounts: inventory.mounts.map((one) => ({ ...one, trust: 'trusted' })),
        repos: inventory.repos.map((one) => ({ ...one, trust: 'trusted' })),
      },
    });
    const own = { trust: 'untrusted' };
    cli.api.hosts = [
      {
        ...{ ...host, caches, trust: ['trusted', 'untrusted'], cacheBudgets: { trusted: 25e9, untrusted: 5e9 } },
        inventory: {
          ...{ ...inventory, usedByDomain: { trusted: 1.3e9, untrusted: 0.2e9 } },
          mounts: inventory.mounts.map((one) => ({ ...one, ...own })),
          repos: [...inventory.repos, ...inventory.repos.map((one) => ({ ...one, ...own, team: 'web' }))],
        },
      },
    ];
    const both = (await cli.run('host show host-a')).out;
    expect(both).toContain('takes   trusted and untrusted builds, with separate builders\n');
    expect(both).toContain(
      '1.50GB used of 30.00GB by the engine’s policy (untrusted 200.00MB of 5.00GB), measured 2s ago',
    );
    expect(both).toContain('\napp                    75%');
    expect(both).toContain('\napp (untrusted, web)   75%');
    expect(both).toContain('6ba69915ad5db538//root/.npm  app (untrusted)  30.00MB');
    expect(both).toContain('team-web/go                  (untrusted)           0B');
    expect((await cli.run('host ls')).out).toMatch(
      /PLATFORMS {4}TRUST {14}DRIVER.*\n.*linux\/amd64 {2}trusted,untrusted {2}docker/,
    );
    cli.api.hosts = [{ ...host, caches, inventory: { ...inventory, sizesAreFloors: true, mountsLeftOut: 9 } }];
    const floors = (await cli.run('host show host-a')).out;
    expect(floors).toContain('mounts may be larger than shown');
    expect(floors).toContain('\nand 9 more\n');
    cli.api.hosts = [host];
    expect((await cli.run('host show host-a')).out).toContain(
      'cache   not measured yet (budget 30.00GB by the engine’s policy)\n',
    );
    expect(await cli.run('host show host-b')).toMatchObject({
      code: 125,
      err: expect.stringContaining('no host host-b'),
    });
  });

  it('shows which builders are away, and what was done about them, the newest incident first', async () => {
    const incident = { at: '2026-01-02T03:04:05.000Z', domain: 'trusted' };
    cli.api.hosts = [
      {
        ...{ name: 'host-a', state: 'ready', slots: 4, usedSlots: 0, platforms: ['linux/amd64'] },
        ...{ driver: 'docker-container', engineVersion: '28.2', buildxVersion: '0.24', builds: [], labels: {} },
        ...{ lastSeenAt: '2026-01-02T03:14:03.000Z', domainsAway: ['trusted'] },
        incidents: [
          { ...incident, state: 'snapshot_missing', action: 'retried', message: 'parent snapshot x' },
          { ...incident, at: '2026-01-02T03:14:03.000Z', state: 'out_of_memory', action: 'restarted' },
        ],
      },
    ];
    expect((await cli.run('host ls')).out).toMatch(/AWAY +INCIDENTS.*\n.*trusted builds of every team +2 /);
    const shown = (await cli.run('host show host-a')).out;
    expect(shown).toContain('\naway    trusted builds of every team\n');
    const [, table = ''] = shown.split('\n\n');
    expect(table.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['INCIDENT', 'ACTION', 'BUILDER', 'AGO', 'REASON'],
      ['killed for memory', 'daemon restarted', 'trusted builds of every team', '2s', '-'],
      ['snapshot missing', 'build run again', 'trusted builds of every team', '10m', 'parent snapshot x'],
      [''],
    ]);
  });
});
