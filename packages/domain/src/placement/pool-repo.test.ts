import { describe, expect, test } from 'vitest';
import { Scene } from './testing/scene.ts';

const repoOf = (scene: Scene) => {
  const repo = scene.submit('asks').pool.waiting.get('asks')?.group.repo;
  if (!repo) throw new Error('nothing waits');
  return repo;
};

describe('how long a cold run is expected to take', () => {
  test('where one has ended, as that', () => {
    const scene = new Scene({ repos: { app: { cold: 300 } } }).host('a').run('r', 'a', { ago: 2_000 });
    expect(repoOf(scene).coldRun(scene.now)).toBe(300_000);
  });

  test('where none has, at least as long as the one that is under way', () => {
    const scene = new Scene().host('a').run('r', 'a', { ago: 2_000 });
    expect(repoOf(scene).coldRun(scene.now)).toBeGreaterThan(2_500_000);
  });

  test('a warm one that is under way says nothing of that', () => {
    const scene = new Scene().host('a', {}, { app: 1 }).run('r', 'a', { ago: 2_000 });
    expect(repoOf(scene).coldRun(scene.now)).toBe(480_000);
  });
});

test('a run whose mean was only guessed is expected to go on for longer, once it is overdue', () => {
  const start = (scene: Scene) =>
    scene.host('a', {}, { app: 1 }).run('r', 'a', { ago: 240 }).submit('1').why('1').predicted;
  const known = start(new Scene({ repos: { app: { warm: 120 } } }))?.startAt ?? 0;
  const guessed = start(new Scene())?.startAt ?? 0;
  expect(guessed).toBeGreaterThan(known + 60_000);
});
