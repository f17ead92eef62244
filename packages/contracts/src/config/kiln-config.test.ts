import { describe, expect, test } from 'vitest';
import { fieldProblems } from '../http/problem.ts';
import { kilnConfig } from './kiln-config.ts';

const on = { push: { branches: ['main'] } };

/** Returns the problems of a config with these fields in its only image, as `field: got: expected`. */
function problems(image: Record<string, unknown>, top: Record<string, unknown> = { on }): string[] {
  const input = { version: 1, ...top, images: [{ name: 'app', ...image }] };
  const parsed = kilnConfig.safeParse(input);
  return parsed.success
    ? []
    : fieldProblems(parsed.error, input).map(({ field, got, expected }) => `${field}: ${got}: ${expected}`);
}

describe('.kiln.yaml', () => {
  test('needs only a version, a trigger and a name', () => {
    const parsed = kilnConfig.parse({ version: 1, on: { push: null }, images: [{ name: 'app' }] });
    expect(parsed.images[0]).toMatchObject({ context: '.', dockerfile: 'Dockerfile', output: 'none', weight: 1 });
  });

  test.each([
    [{ imagee: 1 }, 'images[0].imagee: 1: no such field'],
    [{ __proto__x: 1 }, 'images[0].__proto__x: 1: no such field'],
    [{ name: 'App' }, 'images[0].name: "App": lower-case letters'],
    [{ context: '../x' }, 'images[0].context: "../x": a path relative'],
    [{ output: 'push' }, 'images[0].tags: nothing: at least one tag, because output is push'],
    [{ output: 'load' }, 'images[0].output: "load": "push" or "none"'],
    [{ buildArgs: { VERSION: 1.2 } }, 'images[0].buildArgs.VERSION: 1.2: a string; put numbers'],
    [{ tags: ['registry/app:{branhc}'] }, 'not {branhc}'],
    [{ tags: ['registry/{branch}:x'] }, 'only after the colon'],
    [{ tags: ['{branch}'] }, 'only after the colon'],
    [{ tags: ['localhost:5000/App:{sha}'] }, 'an image reference'],
    [{ on: {} }, 'images[0].on: {}: push, pull_request or both'],
    [{ on: { push: { branch: ['main'] } } }, 'images[0].on.push.branch: ["main"]: no such field'],
    [{ paths: [] }, 'images[0].paths: []: at least 1 item'],
    [{ secrets: ['A', { id: 'A', name: 'B' }] }, 'different ids'],
    [{ weight: 0 }, 'images[0].weight: 0: at least 1'],
    [{ priority: 'high' }, 'images[0].priority: "high": "interactive" or "normal" or "batch"'],
  ])('refuses %j', (image, problem) => {
    expect(problems(image).join('\n')).toContain(problem);
  });

  test('never quotes values in secrets', () => {
    expect(problems({ secrets: ['hunter2 is not a name'] }).join('\n')).not.toContain('hunter2');
  });

  test('refuses images without `on`, and two images of the same name', () => {
    expect(problems({}, {}).join()).toContain('images[0].on: nothing: push, pull_request or both, here or');
    const twice = { version: 1, on, images: [{ name: 'app' }, { name: 'app' }] };
    expect(kilnConfig.safeParse(twice).error?.issues[0]?.message).toContain('no other image');
  });

  test('accepts placeholders in tags of registries with a port', () => {
    expect(problems({ tags: ['localhost:5000/a/b:{branch}-{shortSha}', 'app:pr-{pr}', 'app'] })).toEqual([]);
  });
});
