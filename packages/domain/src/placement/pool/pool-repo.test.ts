import { describe, expect, test } from 'vitest';
import { Scene } from '../testing/scene.ts';

const coldRun = (scene: Scene) => {
  const repo = scene.submit('asked').pool.waiting.get('asked')?.group.repo;
  if (!repo) throw new Error('nothing waits');
  return repo.coldRun(scene.now, scene.pool.hosts.runsOf(repo));
};

describe('the expected cold run', () => {
  test('is the mean of those that have ended', () => {
    const scene = new Scene({ repos: { app: { cold: 300 } } }).host('a').run('r', 'a', { ago: 2_000 });
    expect(coldRun(scene)).toBe(300_000);
  });

  test('is at least as long as the one under way, if none has ended', () => {
    const scene = new Scene().host('a').run('r', 'a', { ago: 2_000 });
    expect(coldRun(scene)).toBeGreaterThan(2_500_000);
  });

  test('ignores a warm run under way', () => {
    const scene = new Scene().host('a', {}, { app: 1 }).run('r', 'a', { ago: 2_000 });
    expect(coldRun(scene)).toBe(480_000);
  });
});

test('an overdue run is expected to last longer if its mean was only guessed', () => {
  const start = (scene: Scene) =>
    scene.host('a', {}, { app: 1 }).run('r', 'a', { ago: 240 }).submit('1').why('1').predicted;
  const known = start(new Scene({ repos: { app: { warm: 120 } } }))?.startAt ?? 0;
  const guessed = start(new Scene())?.startAt ?? 0;
  expect(guessed).toBeGreaterThan(known + 60_000);
});
