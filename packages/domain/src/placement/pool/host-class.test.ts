import { expect, test } from 'vitest';
import { Scene } from '../testing/scene.ts';

test('a build goes only where its labels, platforms, trust and weight fit', () => {
  const scene = new Scene()
    .host('plain')
    .host('arm', { platforms: ['linux/arm64'] })
    .host('nvme', { labels: { disk: 'nvme' } })
    .host('open', { trust: ['untrusted'] })
    .host('wide', { slots: 2, trust: [] })
    .host('big', { slots: 3, labels: { size: 'big' } });
  scene
    .submit('arm', { platforms: ['linux/arm64'] })
    .submit('nvme', { hostLabels: { disk: 'nvme' } })
    .submit('untrusted', { trust: 'untrusted' })
    .submit('wide', { weight: 3 })
    .submit('impossible', { weight: 2, hostLabels: { disk: 'nvme' } });
  expect(scene.place()).toEqual({ arm: 'arm', nvme: 'nvme', untrusted: 'open', wide: 'big' });
  scene.host('small', { labels: { disk: 'nvme' } });
  expect(scene.place()).toEqual({});
  expect(scene.host('nvme', { slots: 3, labels: { disk: 'nvme' } }).place()).toEqual({ impossible: 'nvme' });
});

test('a cache on a host that no longer fits attracts no build', () => {
  const scene = new Scene({ repos: { app: { warm: 60, cold: 600 } } });
  scene.host('a', { cordoned: true }, { app: 1 }).host('b').submit('1');
  expect(scene.place()).toEqual({ 1: 'b' });
});

test.each(['cordoned', 'draining', 'lowDisk'] as const)('a %s host takes nothing until it is open again', (state) => {
  const scene = new Scene().host('a', { [state]: true }).submit('1');
  expect(scene.place()).toEqual({});
  expect(scene.host('a').place()).toEqual({ 1: 'a' });
});

test('a host with reduced slots takes nothing until it has room by its new number', () => {
  const scene = new Scene().host('a', { slots: 3 }).submit('1').submit('2').submit('3');
  expect(Object.keys(scene.place())).toHaveLength(3);
  scene.host('a', { slots: 1 }).submit('4').after(60);
  expect(scene.end('1', 60).place()).toEqual({});
  expect(scene.end('2', 60).place()).toEqual({});
  expect(scene.end('3', 60).place()).toEqual({ 4: 'a' });
});

test('a host that lost the build before is used only if no other fits', () => {
  const scene = new Scene({ repos: { app: { warm: 60, cold: 600 } } });
  scene
    .host('a', {}, { app: 1 })
    .host('b')
    .run('other', 'b')
    .submit('1', { lostOn: ['a'] });
  expect(scene.place()).toEqual({});
  expect(scene.end('other', 60).place()).toEqual({ 1: 'b' });
  expect(
    new Scene()
      .host('a')
      .submit('1', { lostOn: ['a'] })
      .place(),
  ).toEqual({ 1: 'a' });
});

test('a lost host’s build is placed elsewhere when it is queued again', () => {
  const scene = new Scene().host('a').submit('1');
  scene.place();
  scene.pool.hostGone('a', scene.now);
  scene.host('b').submit('1', { lostOn: ['a'] });
  expect(scene.place()).toEqual({ 1: 'b' });
});

test('the late end of a lost attempt is ignored', () => {
  const scene = new Scene().host('a').host('b').run('1', 'a');
  scene.pool.hostGone('a', scene.now);
  expect(scene.pool.attemptEnded('1', { runMs: 1, keepsCache: true }, scene.now)).toBeUndefined();
  expect(scene.pool.hosts.freeSlots).toBe(1);
  expect(scene.pool.learnedRepo('app')?.estimate).toEqual({});
});
