import { describe, expect, test } from 'vitest';
import { Scene } from '../testing/scene.ts';

const MINUTE = 60;
/** A pool of one slot, taken up, and repos whose runs are known. */
const oneSlot = () => new Scene({ repos: { app: { warm: 60, cold: 60 }, long: { warm: 600, cold: 600 } } }).host('a');
/** In which order the builds get the slot, each as soon as the one before has ended. */
function order(scene: Scene, runs = 60): string[] {
  const found: string[] = [];
  for (let placed = scene.place(); Object.keys(placed).length > 0; placed = scene.place()) {
    const ids = Object.keys(placed);
    found.push(...ids);
    scene.after(runs);
    for (const id of ids) scene.end(id, runs);
  }
  return found;
}

describe('the order of waiting builds', () => {
  test('is by age if nothing else differs', () => {
    const scene = oneSlot().submit('third', { age: 1 }).submit('first', { age: 9 }).submit('second', { age: 5 });
    expect(order(scene)).toEqual(['first', 'second', 'third']);
  });

  test('is by id among builds of the same age, so that it doesn’t depend on the order of events', () => {
    expect(order(oneSlot().submit('b').submit('a').submit('c'))).toEqual(['a', 'b', 'c']);
  });

  test('puts the higher class first until age prevails', () => {
    const scene = oneSlot()
      .submit('old batch', { priority: 'batch', age: 21 * MINUTE })
      .submit('batch', { priority: 'batch', age: 6 * MINUTE })
      .submit('normal', { age: 2 * MINUTE })
      .submit('interactive', { priority: 'interactive' });
    expect(order(scene)).toEqual(['old batch', 'interactive', 'normal', 'batch']);
  });

  test('puts short builds first until age prevails', () => {
    const scene = oneSlot()
      .submit('older long', { repo: 'long', age: 115 * MINUTE })
      .submit('long', { repo: 'long', age: 20 * MINUTE })
      .submit('short');
    expect(order(scene)).toEqual(['older long', 'short', 'long']);
  });

  test('puts long builds off for longer, the longer the pool needs to run everything that waits', () => {
    const scene = (waiting: number) => {
      const pool = oneSlot();
      for (let i = 0; i < waiting; i++) pool.submit(`more${i}`, { priority: 'batch' });
      return pool.submit('long', { repo: 'long', age: 101 * MINUTE }).submit('short');
    };
    // Ten times the 11 min that the pool needs for both are less than twelve long runs; with three more builds they aren't.
    expect(order(scene(0))[0]).toBe('long');
    expect(order(scene(3))[0]).toBe('short');
    // Builds that no host can take don't count.
    const unfit = scene(0);
    for (let i = 0; i < 3; i++) unfit.submit(`wide${i}`, { weight: 2 });
    expect(order(unfit)[0]).toBe('long');
  });

  test('puts a build off by its warm run if an open host has its cache', () => {
    const scene = new Scene({
      repos: { held: { warm: 60, cold: 600 }, lost: { warm: 60, cold: 600 }, away: { warm: 10, cold: 600 } },
    })
      .host('a', {}, { held: 1 })
      .submit('lost', { repo: 'lost', age: 40 * MINUTE })
      .submit('held', { repo: 'held' });
    expect(order(scene)).toEqual(['held', 'lost']);
    // … where builds can go.
    scene.host('b', { cordoned: true }, { away: 1 });
    scene.submit('away', { repo: 'away' }).submit('held', { repo: 'held' });
    expect(order(scene)).toEqual(['held', 'away']);
  });
});

describe('nothing starves', () => {
  test.each([
    ['batch', 'app'],
    ['batch', 'long'],
    ['normal', 'long'],
  ] as const)('a %s build of %s is served despite an endless stream of short interactive ones', (priority, repo) => {
    const scene = oneSlot().submit('patient', { priority, repo });
    let next = 0;
    const interactive = () => scene.submit(`i${next++}`, { priority: 'interactive' });
    // Two come for each that is served, so there is always a line of them, and each in it is younger than half of the time.
    for (let minutes = 0; minutes < 2 * (10 + 120) + 1; minutes++) {
      interactive();
      interactive();
      const [served] = Object.keys(scene.place()) as [string];
      if (served === 'patient') return expect(minutes).toBeGreaterThan(5);
      scene.after(MINUTE).end(served, MINUTE);
    }
    throw new Error('starved');
  });

  test('a team that used more than others is served despite an endless stream of another team’s builds', () => {
    const scene = oneSlot();
    // The team had the pool for itself for a long time.
    for (let i = 0; i < 60; i++)
      scene.submit(`past${i}`, { team: 'loud' }).run(`past${i}`, 'a').after(60).end(`past${i}`, 60);
    scene.submit('loud', { team: 'loud' });
    for (let minutes = 0; minutes < 60; minutes++) {
      const [served] = Object.keys(scene.submit(`s${minutes}`, { team: 'small' }).place()) as [string];
      if (served === 'loud') return expect(minutes).toBeGreaterThan(5);
      scene.after(MINUTE).end(served, MINUTE);
    }
    throw new Error('starved');
  });
});

describe('teams', () => {
  const bySmall = (served: readonly string[]) => served.findIndex((id) => id.startsWith('small'));

  test('share the pool, even if one submits many builds at once and the other few', () => {
    const scene = oneSlot();
    for (let i = 0; i < 20; i++) scene.submit(`loud${i}`, { team: 'loud', age: 20 - i });
    scene.submit('small', { team: 'small' });
    expect(bySmall(order(scene))).toBeLessThanOrEqual(1);
  });

  test('share the free slots of one pass, whoever submitted first', () => {
    const scene = new Scene({ repos: { app: { warm: 60, cold: 60 } } }).host('a', { slots: 4 });
    for (let i = 0; i < 8; i++) scene.submit(`loud${i}`, { team: 'loud', age: 10 });
    for (let i = 0; i < 2; i++) scene.submit(`small${i}`, { team: 'small' });
    expect(Object.keys(scene.place()).filter((id) => id.startsWith('small'))).toHaveLength(2);
  });

  test('step back with the builds of all their repos after they were given a slot', () => {
    const repos = Object.fromEntries(['r0', 'r1', 'r2', 'r3'].map((name) => [name, { warm: 60, cold: 60 }]));
    const scene = new Scene({ repos: { app: { warm: 60, cold: 60 }, ...repos } }).host('a', { slots: 2 });
    for (let i = 0; i < 4; i++) scene.submit(`loud${i}`, { team: 'loud', repo: `r${i}`, age: 10 });
    scene.submit('small', { team: 'small' });
    expect(Object.keys(scene.place())).toEqual(['loud0', 'small']);
  });

  test('step back further, the wider the builds that got slots', () => {
    const scene = new Scene({ repos: { app: { warm: 60, cold: 60 } } }).host('a', { slots: 3 });
    scene.submit('wide', { team: 'loud', weight: 2, age: 90 });
    // 2 × 60 s of three slots are a lead of 40 s.
    scene.submit('loud', { team: 'loud', age: 30 }).submit('small', { team: 'small' });
    expect(Object.keys(scene.place())).toEqual(['wide', 'small']);
  });

  test('step back less in a large pool, where the same work is a smaller share', () => {
    const scene = new Scene({ repos: { app: { warm: 60, cold: 60 } } }).host('a', { slots: 10 });
    for (let i = 0; i < 10; i++) scene.run(`r${i}`, 'a', { team: i < 9 ? 'loud' : 'small' });
    // Eight minutes of one slot more, of ten: 48 s.
    scene.submit('loud', { team: 'loud', age: 60 }).submit('small', { team: 'small' }).end('r9', 60);
    expect(Object.keys(scene.place())).toEqual(['loud']);
  });

  test('step back for past use by a bounded time, and only for a while', () => {
    const scene = oneSlot();
    for (let i = 0; i < 60; i++)
      scene.submit(`past${i}`, { team: 'loud' }).run(`past${i}`, 'a').after(60).end(`past${i}`, 60);
    expect(order(scene.submit('loud', { team: 'loud', age: 11 * MINUTE }).submit('small', { team: 'small' }))).toEqual([
      'loud',
      'small',
    ]);
    expect(order(scene.submit('loud', { team: 'loud', age: 9 * MINUTE }).submit('small', { team: 'small' }))).toEqual([
      'small',
      'loud',
    ]);
    scene.after(6 * 60 * MINUTE);
    expect(order(scene.submit('loud', { team: 'loud', age: 10 }).submit('small', { team: 'small' }))).toEqual([
      'loud',
      'small',
    ]);
  });

  test('are charged for what their builds took, not for what was expected', () => {
    const scene = oneSlot();
    scene.submit('quick', { team: 'a', repo: 'long' }).run('quick', 'a').after(5).end('quick', 5);
    scene.submit('slow', { team: 'b' }).run('slow', 'a').after(400).end('slow', 400);
    // Team b had more of the pool, though it was expected to have less.
    expect(order(scene.submit('b', { team: 'b', age: 60 }).submit('a', { team: 'a' }))).toEqual(['a', 'b']);
  });

  test('are charged for each slot of a wide build', () => {
    const scene = new Scene({ repos: { app: { warm: 60, cold: 60 } } }).host('a', { slots: 3 });
    scene.submit('wide', { team: 'a', weight: 3 }).submit('narrow', { team: 'b' });
    scene.run('wide', 'a', { weight: 3 }).after(300).end('wide', 300);
    scene.run('narrow', 'a').after(300).end('narrow', 300);
    for (let i = 0; i < 3; i++) scene.run(`r${i}`, 'a');
    scene.submit('a', { team: 'a', age: 60 }).submit('b', { team: 'b' }).end('r0', 300);
    expect(Object.keys(scene.place())).toEqual(['b']);
  });
});
