import { describe, expect, test } from 'vitest';
import { Scene } from '../testing/scene.ts';

const MINUTE = 60;
/** A repo of one minute warm and ten cold, that is built rarely. */
const APP = { warm: 60, stale: 240, cold: 600 };
const scene = (repos = {}) => new Scene({ repos: { app: APP, ...repos } });

describe('the chosen host', () => {
  test('is the one that is warm for the repo', () => {
    const pool = scene().host('a', { slots: 4 }).host('b', {}, { app: 1 }).host('c', { slots: 4 });
    expect(pool.submit('1').place()).toEqual({ 1: 'b' });
  });

  test('is the warmest of several warm ones', () => {
    const pool = scene().host('a', {}, { app: 0.6 }).host('b', {}, { app: 0.9 }).host('c', {}, { app: 0.7 });
    expect(pool.submit('1').place()).toEqual({ 1: 'b' });
  });

  test('has a cache of the same dependencies rather than of others, and one of others rather than none', () => {
    const version = (held: string) => ({ app: { warmth: 1, version: held } });
    const pool = scene().host('a').host('b', {}, version('1')).host('c', {}, version('2'));
    expect(pool.submit('1', { cacheVersion: '2' }).place()).toEqual({ 1: 'c' });
    expect(pool.host('c', { cordoned: true }).submit('2', { cacheVersion: '2' }).place()).toEqual({ 2: 'b' });
    expect(pool.host('b', { cordoned: true }).submit('3', { cacheVersion: '2' }).place()).toEqual({ 3: 'a' });
  });

  test('suits each build’s own dependencies, even if several of a repo wait', () => {
    const version = (held: string) => ({ app: { warmth: 1, version: held } });
    const pool = scene().host('a', {}, version('1')).host('b', {}, version('2'));
    expect(pool.submit('x', { cacheVersion: '2' }).submit('y', { cacheVersion: '1' }).place()).toEqual({
      x: 'b',
      y: 'a',
    });
  });

  test('counts as warm if its cache or the build has unknown dependencies', () => {
    const pool = scene()
      .host('a')
      .host('b', {}, { app: { version: '1' } })
      .submit('1');
    expect(pool.why('1').predicted?.warmth).toBe(1);
    const other = scene().host('a').host('b', {}, { app: 1 }).submit('1', { cacheVersion: '2' });
    expect(other.why('1').predicted?.warmth).toBe(1);
  });

  test('is a different one for each build as long as there are free ones', () => {
    const pool = scene();
    for (let i = 0; i < 20; i++) pool.host(`h${i}`).submit(`b${i}`, { repo: `r${i}` });
    expect(new Set(Object.values(pool.place())).size).toBe(20);
  });

  test('doesn’t depend on the hosts’ names or on when they joined', () => {
    const busy = { other: 1, more: 1 };
    const repos = { other: { ...APP, hourly: 20 }, more: { ...APP, hourly: 20 } };
    expect(scene(repos).host('a', {}, busy).host('z').submit('1').place()).toEqual({ 1: 'z' });
    expect(scene(repos).host('z', {}, busy).host('a').submit('1').place()).toEqual({ 1: 'a' });
  });
});

describe('waiting for a warm host', () => {
  test('lasts while it is predicted to finish sooner than a cold start', () => {
    // Warm it finishes in 30 + 60 s, cold in 600.
    const pool = scene().host('warm', {}, { app: 1 }).host('cold').run('running', 'warm', { ago: 30 });
    expect(pool.submit('1').place()).toEqual({});
    expect(pool.after(30).end('running', 60).place()).toEqual({ 1: 'warm' });
  });

  test('is avoided if a cold start finishes sooner', () => {
    const long = { warm: 3_000, cold: 4_000 };
    const pool = scene({ long }).host('warm', {}, { app: 1 }).host('cold').run('running', 'warm', { repo: 'long' });
    expect(pool.submit('1').place()).toEqual({ 1: 'cold' });
  });

  test('ends if the run there turns out to be cold, the host is lost or cordoned, or its cache is evicted', () => {
    const waiting = () => {
      const pool = scene().host('warm', {}, { app: 1 }).host('cold').run('running', 'warm').submit('1');
      expect(pool.place()).toEqual({});
      return pool;
    };
    const slower = waiting();
    slower.pool.warmthSeen('running', 0);
    expect(slower.place()).toEqual({ 1: 'cold' });
    const lost = waiting();
    lost.pool.hostGone('warm', lost.now);
    expect(lost.place()).toEqual({ 1: 'cold' });
    expect(waiting().host('warm', { cordoned: true }).place()).toEqual({ 1: 'cold' });
    const evicted = waiting();
    evicted.pool.cacheGone('warm', 'app', evicted.now);
    expect(evicted.run('running', 'warm', { repo: 'other' }).place()).toEqual({ 1: 'cold' });
  });

  test('includes waiting for the cache that a run under way will leave', () => {
    const pool = scene().host('a').host('b').run('first', 'a', { ago: 590 }).submit('second');
    expect(pool.place()).toEqual({});
    expect(pool.after(20).end('first', 610).place()).toEqual({ second: 'a' });
  });

  test('lasts until that run has ended, even if the host has another free slot', () => {
    const pool = scene().host('a', { slots: 2 }).host('b').run('first', 'a', { ago: 590 }).submit('second');
    expect(pool.place()).toEqual({});
  });

  test('is avoided for a run that has just begun, because a cold start elsewhere ends sooner', () => {
    expect(scene().host('a').host('b').run('first', 'a').submit('second').place()).toEqual({ second: 'b' });
  });

  test('reserves the awaited slot against later builds, but no other free host', () => {
    const pool = scene().host('warm', {}, { app: 1 }).host('cold').run('running', 'warm', { ago: 50 });
    pool.submit('first', { age: 9 }).submit('second', { age: 8 }).submit('stranger', { repo: 'other' });
    expect(pool.place()).toEqual({ stranger: 'cold' });
    expect(pool.after(10).end('running', 60).place()).toEqual({ first: 'warm' });
  });
});

describe('wide builds', () => {
  test('wait for their slots to be free together, while short builds use the reserved ones and long builds don’t', () => {
    const repos = { app: { warm: 100, cold: 100 }, short: { warm: 20, cold: 20 }, long: { warm: 900, cold: 900 } };
    const pool = new Scene({ repos }).host('a', { slots: 2 }).run('running', 'a', { ago: 20 });
    pool.submit('wide', { weight: 2, age: 40 * MINUTE });
    expect(pool.place()).toEqual({});
    expect(pool.submit('long', { repo: 'long' }).place()).toEqual({});
    // Nothing is cached: only a warm run may slip in, as it is known to be short.
    expect(pool.holds('a', 'short').submit('short', { repo: 'short' }).place()).toEqual({ short: 'a' });
    expect(pool.submit('next', { repo: 'short' }).place()).toEqual({});
    pool.after(80).end('short', 20).end('running', 100);
    expect(pool.place()).toEqual({ wide: 'a' });
  });

  test('let only one short build use a reserved slot', () => {
    const repos = { app: { warm: 100, cold: 100 }, short: { warm: 20, cold: 20 } };
    const pool = new Scene({ repos }).host('a', { slots: 2 }, { short: 1 }).run('running', 'a');
    pool.submit('wide', { weight: 2, age: 40 * MINUTE });
    pool.submit('s1', { repo: 'short' }).submit('s2', { repo: 'short' });
    expect(pool.place()).toEqual({ s1: 'a' });
  });
});
