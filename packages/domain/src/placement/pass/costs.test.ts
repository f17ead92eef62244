import { describe, expect, test } from 'vitest';
import { Scene } from '../testing/scene.ts';
import { Costs } from './costs.ts';
import { DueOrder } from './due-order.ts';

const MINUTE = 60;
const MB = 1_000_000;
const APP = { warm: 60, cold: 600, bytes: 100 * MB };
const costs = (scene: Scene) => new Costs(scene.pool, scene.now, new DueOrder(scene.pool, scene.now).drainMs);
const price = (scene: Scene) => costs(scene).price;

describe('a popular repo spreads', () => {
  /** One host is warm and serves a queue of the repo, another is free. How many wait before one starts cold? */
  const queueBefore = (hourly: number, warm = 60, cold = 600) => {
    const scene = new Scene({ repos: { app: { warm, cold, bytes: MB, hourly } } })
      .host('warm', {}, { app: 1 })
      .host('free');
    scene.run('running', 'warm');
    for (let queued = 0; queued < 50; queued++) {
      if (Object.keys(scene.submit(`b${queued}`).place()).length > 0) return queued;
    }
    return Number.POSITIVE_INFINITY;
  };

  test('to a second host as soon as the queue costs more than a cold start', () => {
    const rare = queueBefore(0.1);
    expect(rare).toBeGreaterThan(2);
    // The tenth would wait ten minutes: a cold start takes as long, and leaves a second copy.
    expect(rare).toBeLessThan(10);
    expect(queueBefore(0.1, 60, 3_000)).toBeGreaterThan(rare);
    expect(queueBefore(0.1, 60, 120)).toBeLessThan(rare);
  });

  test('the sooner, the more often it is built', () => {
    expect(queueBefore(60)).toBeLessThan(queueBefore(0.1));
  });

  test('to a third host only if two are not enough', () => {
    const scene = new Scene({ repos: { app: { ...APP, hourly: 60 } } })
      .host('a', {}, { app: 1 })
      .host('b', {}, { app: 1 })
      .host('free');
    expect(scene.submit('1').submit('2').submit('3').place()).toEqual({ 1: 'a', 2: 'b' });
    for (let i = 4; i < 20; i++) scene.submit(`${i}`);
    expect(Object.values(scene.place())).toEqual(['free']);
  });

  test('values another copy by the need, less for each existing copy, up to a limit', () => {
    const worth = (hourly: number, queued: number, copies: number) => {
      const scene = new Scene({ repos: { app: { ...APP, hourly } } });
      for (let i = 0; i < copies; i++) scene.host(`h${i}`, {}, { app: 1 });
      for (let i = 0; i < queued; i++) scene.submit(`b${i}`);
      const [waiting] = scene.pool.waiting.groups;
      const repo = waiting?.repo ?? scene.submit('one').pool.waiting.get('one')?.group.repo;
      return repo ? costs(scene).spread(repo, 1_000, 1 + copies) : Number.NaN;
    };
    expect(worth(60, 1, 1)).toBeGreaterThan(worth(6, 1, 1));
    expect(worth(6, 3, 1)).toBeGreaterThan(worth(6, 1, 1));
    expect(worth(60, 1, 4)).toBeLessThan(worth(60, 1, 1));
    expect(worth(60, 100, 1)).toBe(1_000);
    expect(worth(60, 1, 1)).toBeCloseTo((0.4 * 2 * 1_000) / 2, -1);
  });
});

describe('a copy of older dependencies', () => {
  const of = (version: string) => ({ app: { warmth: 1, version } });
  const repos = (hourly: number) => ({ app: { warm: 60, stale: 400, cold: 900, bytes: MB, hourly } });
  /** A host has the right copy and is busy with four runs; the other hosts have what is given. */
  const busy = (hourly: number, others: Readonly<Record<string, string>>) => {
    const scene = new Scene({ repos: repos(hourly) }).host('right', { slots: 4 }, of('2'));
    for (let i = 0; i < 4; i++) scene.run(`r${i}`, 'right', { cacheVersion: '2' });
    for (const [host, version] of Object.entries(others)) scene.host(host, {}, version === '' ? {} : of(version));
    return scene;
  };
  const submit = (scene: Scene, id: string) => scene.submit(id, { cacheVersion: '2' });
  const worth = (scene: Scene, name: string) => {
    const { considered } = submit(scene, 'asks').why('asks');
    return -(considered.find(({ host }) => host === name)?.extras?.spread ?? Number.NaN);
  };

  test('is brought up to date rather than another one made, once enough builds wait for the right one', () => {
    const scene = busy(60, { empty: '', old: '1' });
    let [host] = Object.values(submit(scene, 'b0').place());
    expect(host).toBeUndefined();
    for (let i = 1; i < 50 && host === undefined; i++) [host] = Object.values(submit(scene, `b${i}`).place());
    expect(host).toBe('old');
  });

  test('is worth bringing up to date the more, the more often its repo is built and the longer a run there takes', () => {
    const [rare, often] = [0.1, 60].map((hourly) => worth(busy(hourly, { old: '1' }), 'old')) as [number, number];
    expect(rare).toBeGreaterThan(0);
    expect(often).toBeGreaterThan(1.5 * rare);
    expect(worth(busy(60, { empty: '' }), 'empty')).toBeGreaterThan(1.5 * often);
  });

  test('doesn’t count as a copy', () => {
    const among = (version: string) => {
      const others = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`full${i}`, version]));
      const scene = busy(60, { ...others, empty: '' });
      for (const host in others) scene.run(`on ${host}`, host, { repo: 'slow' });
      return worth(scene, 'empty');
    };
    expect(among('1')).toBeCloseTo(among(''));
    expect(among('2')).toBeLessThan(0.6 * among('1'));
  });
});

describe('the caches of others', () => {
  const budget = { cacheBudgetBytes: 250 * MB };
  const repos = (hotHourly: number) => ({
    app: { ...APP, hourly: 1 },
    hot: { ...APP, hourly: hotHourly },
    cool: { ...APP, hourly: 0.01 },
  });

  test('send a cold build to the host where it evicts what nobody needs', () => {
    const scene = (a: string, b: string) =>
      new Scene({ repos: repos(1) })
        .host('a', budget, { [a]: { bytes: 200 * MB } })
        .host('b', budget, { [b]: { bytes: 200 * MB } })
        .submit('1');
    expect(scene('hot', 'cool').place()).toEqual({ 1: 'b' });
    expect(scene('cool', 'hot').place()).toEqual({ 1: 'a' });
  });

  test('count by how much longer their builds would take', () => {
    const scene = new Scene({ repos: { ...repos(1), dear: { warm: 60, cold: 3_000, hourly: 1 } } })
      .host('a', budget, { dear: { bytes: 200 * MB } })
      .host('b', budget, { hot: { bytes: 200 * MB } });
    expect(scene.submit('1').place()).toEqual({ 1: 'b' });
  });

  test('are expected to be evicted least recently used first, and only as many as necessary', () => {
    const scene = new Scene({ repos: repos(1) }).host('a', budget, {
      cool: { bytes: 150 * MB },
      hot: { bytes: 90 * MB },
    });
    scene.host('b', budget, { hot: { bytes: 90 * MB }, cool: { bytes: 150 * MB } });
    expect(scene.submit('1').place()).toEqual({ 1: 'a' });
    // Used since, the cool repo's cache would go last.
    const used = new Scene({ repos: repos(1) }).host(
      'a',
      { ...budget, slots: 2 },
      { cool: { bytes: 150 * MB }, hot: { bytes: 90 * MB } },
    );
    used.host('b', budget, { cool: { bytes: 150 * MB }, hot: { bytes: 90 * MB } }).run('use', 'a', { repo: 'cool' });
    used.end('use', 60, { keepsCache: false });
    expect(used.submit('1').place()).toEqual({ 1: 'b' });
  });

  test('count less if another host has a copy', () => {
    const scene = new Scene({ repos: { ...repos(1), twice: { ...APP, hourly: 1 } } })
      .host('full', { ...budget, slots: 0 }, { twice: 1 })
      .host('a', budget, { hot: { bytes: 200 * MB } })
      .host('b', budget, { twice: { bytes: 200 * MB } });
    expect(scene.submit('1').place()).toEqual({ 1: 'b' });
  });

  test('are protected from another copy of a repo that has one', () => {
    const cold = (holds: string) => {
      const scene = new Scene({ repos: repos(20) }).host('warm', {}, { app: 1 });
      scene.host('free', budget, { [holds]: { bytes: 200 * MB } }).run('running', 'warm');
      for (let queued = 0; queued < 50; queued++) {
        if (Object.keys(scene.submit(`b${queued}`).place()).length > 0) return queued;
      }
      return 50;
    };
    expect(cold('hot')).toBeGreaterThan(cold('cool'));
  });

  test('count by warmth, and the less the more copies there are', () => {
    const scene = new Scene({ repos: repos(1) })
      .host('a', budget, { app: { bytes: 60 * MB, warmth: 0.1 }, hot: { bytes: 180 * MB, warmth: 0.5 } })
      .host('elsewhere');
    const loss = (repo = 'app') => {
      const host = scene.pool.hosts.get('a');
      const asking = scene.submit('asks', { repo }).pool.waiting.get('asks')?.group.repo;
      return (host && asking && costs(scene).eviction(host, asking)) ?? Number.NaN;
    };
    // The hot repo's (600 − 60) s, half of which is there, times the chance that it is built within the hour.
    const expected = 0.5 * 540_000 * (1 - Math.exp(-1));
    expect(loss()).toBeCloseTo(expected, -2);
    expect(loss('cool') - loss()).not.toBe(0);
    scene.holds('elsewhere', 'hot');
    expect(loss()).toBeCloseTo(expected / 4, -2);
    scene.pool.cacheGone('a', 'app', scene.now);
    expect(loss()).toBeCloseTo(expected / 4, -2);
    // What fits costs nobody anything.
    scene.host('a', { cacheBudgetBytes: 280 * MB });
    expect(loss()).toBe(0);
  });

  test('are not expected to be evicted if the host’s budget is unknown', () => {
    const scene = new Scene({ repos: repos(1) });
    scene.host('a', {}, { hot: { bytes: 1e15 } }).submit('1');
    const host = scene.pool.hosts.get('a');
    const repo = scene.pool.waiting.get('1')?.group.repo;
    expect(host && repo && costs(scene).eviction(host, repo)).toBe(0);
  });
});

describe('the slots of others', () => {
  test('keep a cold build away from a host that warm builds wait for or can be expected on', () => {
    const warmed = { hot: { ...APP, hourly: 30 } };
    const scene = () => new Scene({ repos: { app: APP, ...warmed } }).host('a', {}, { hot: 1 }).host('b');
    expect(scene().submit('1').place()).toEqual({ 1: 'b' });
    const wanted = new Scene({ repos: { app: APP, other: APP } })
      .host('a', {}, { other: 1 })
      .host('b')
      .submit('waits', { repo: 'other', age: 1 })
      .submit('1');
    expect(wanted.place()).toEqual({ waits: 'a', 1: 'b' });
  });

  test('make a build wait for a warm host rather than run cold where warm work waits or is expected', () => {
    /** A warm host comes free in so many seconds; the other is free now, and holds a repo of another's. */
    const placed = (rest: number, hourly: number, waiting: boolean) => {
      const repos = { app: APP, slow: { warm: rest, cold: rest }, other: { ...APP, hourly } };
      const scene = new Scene({ repos }).host('warm', {}, { app: 1 }).host('free', {}, { other: 1 });
      scene.run('r', 'warm', { repo: 'slow' });
      if (waiting) scene.submit('wide', { repo: 'other', weight: 2, age: 60 });
      return scene.submit('1').place();
    };
    expect(placed(500, 0, false)).toEqual({ 1: 'free' });
    expect(placed(500, 30, false)).toEqual({});
    expect(placed(450, 0, false)).toEqual({ 1: 'free' });
    expect(placed(450, 0, true)).toEqual({});
  });

  test('decide which of many free hosts are weighed: those that look best for any cold run', () => {
    const budget = { cacheBudgetBytes: 250 * MB };
    const scene = new Scene({
      pool: { bytes: 100 * MB },
      repos: {
        app: { ...APP, hourly: 1 },
        ...Object.fromEntries(Array.from({ length: 13 }, (_, i) => [`hot${i}`, { ...APP, hourly: 0.1 }])),
        busy: { ...APP, hourly: 0.05 },
      },
    });
    for (let i = 0; i < 14; i++) {
      scene.host(`h${i}`, budget, i === 13 ? { busy: 1 } : { [`hot${i}`]: { bytes: 200 * MB } });
    }
    expect(scene.submit('1').place()).toEqual({ 1: 'h13' });
    const crowded = new Scene({ repos: { app: APP, hot: { ...APP, hourly: 100 } } });
    for (let i = 0; i < 14; i++) crowded.host(`h${i}`, {}, i === 13 ? {} : { hot: 1 });
    expect(crowded.submit('1').place()).toEqual({ 1: 'h13' });
  });

  test('count from the moment that a cache is reported', () => {
    const scene = new Scene({ repos: { app: APP, hot: { ...APP, hourly: 30 } } }).host('a').host('b');
    expect(scene.submit('1', { repo: 'x' }).why('1').host).toBe('a');
    expect(scene.holds('a', 'hot').why('1').host).toBe('b');
  });

  test('count more, the fewer slots of the host are free', () => {
    const half = new Scene({ repos: { hot: { ...APP, hourly: 10 } } }).host('a', { slots: 2 }, { hot: 1 });
    const host = half.pool.hosts.get('a');
    const crowding = (free: number) => (host && costs(half).crowding(host, free, 600_000)) ?? Number.NaN;
    expect(crowding(1)).toBeGreaterThan(100_000);
    expect(crowding(2)).toBeCloseTo(crowding(1) / 2);
    const scene = new Scene({ repos: { app: APP, hot: { ...APP, hourly: 10 } } })
      .host('a', { slots: 2 }, { hot: 1 })
      .host('b', { slots: 2 }, { hot: 1 })
      .run('r', 'a', { repo: 'else' });
    expect(scene.submit('1').place()).toEqual({ 1: 'b' });
  });
});

describe('the price of slot time', () => {
  test('is that of waiting while there is room', () => {
    const scene = new Scene().host('a', { slots: 2 }).run('r', 'a').submit('1');
    expect(price(scene)).toBe(1);
  });

  test('rises as builds go without a slot', () => {
    const scene = new Scene().host('a', { slots: 2 }).run('r1', 'a').run('r2', 'a').submit('1').submit('2');
    expect(price(scene)).toBe(2);
    scene.submit('3');
    expect(price(scene)).toBe(2);
    scene.pool.buildLeft('3', scene.now);
    scene.pool.buildLeft('2', scene.now);
    expect(price(scene)).toBe(1.5);
    // As long as no more waits than two for each free slot, nobody goes without.
    scene.end('r1', 60).submit('4');
    expect(price(scene)).toBe(1);
    scene.submit('5');
    expect(price(scene)).toBe(1.5);
  });
});

test('waits longer rather than run cold when slot time is expensive', () => {
  /** Warm in 500 + 60 s, cold in 600: beside a pool in which everybody finds room, and in one that has been full for hours. */
  const placed = (full: boolean) => {
    const scene = new Scene({ repos: { app: APP, slow: { warm: 500, cold: 500 } } });
    scene.host('warm', {}, { app: 1 }).host('free').run('r', 'free', { repo: 'x' });
    if (full) {
      scene
        .run('before', 'warm', { repo: 'slow' })
        .after(300 * MINUTE)
        .end('before', 500, { keepsCache: false });
      for (let i = 0; i < 9; i++) scene.submit(`wide${i}`, { repo: 'y', weight: 9 });
    }
    return scene.run('now', 'warm', { repo: 'slow' }).end('r', 500).submit('1').place();
  };
  expect(placed(false)).toEqual({ 1: 'free' });
  expect(placed(true)).toEqual({});
});

describe('long waits', () => {
  /** A build of the repo waits for a warm host that has been busy for much too long. */
  const waiting = (age: number, repos = { app: { warm: 60, cold: 4_000 } }) =>
    new Scene({ repos })
      .host('warm', {}, { app: 1 })
      .host('free', { slots: 4 })
      .run('running', 'warm', { repo: 'slow' })
      .submit('1', { age });

  const repos = { app: { warm: 60, cold: 4_000 }, slow: { warm: 1_000, cold: 1_000 } };

  test('cost more from an hour on', () => {
    expect(waiting(0, repos).place()).toEqual({});
    expect(waiting(30 * MINUTE, repos).place()).toEqual({});
    expect(waiting(65 * MINUTE, repos).place()).toEqual({ 1: 'free' });
  });

  test('cost more only later if the pool needs longer to run everything that waits', () => {
    const impatience = (scene: Scene, age: number) =>
      costs(scene).impatience(scene.now - age * 60_000, scene.now + 60_000);
    const scene = waiting(0, repos);
    // The build takes a minute, the pool has five slots: six drain times are 72 s.
    expect(impatience(scene, 60)).toBe(0);
    expect(impatience(scene, 61)).toBe(4 * 48_000);
    expect(impatience(scene, 62)).toBe(4 * 60_000);
    for (let i = 0; i < 9; i++) scene.submit(`more${i}`, { repo: 'slow' });
    expect(impatience(scene, 62)).toBe(0);
    expect(impatience(scene, 260)).toBe(4 * 60_000);
  });
});
