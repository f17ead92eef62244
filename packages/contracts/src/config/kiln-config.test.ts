import { describe, expect, it } from 'vitest';
import { fieldProblems } from '../http/problem.ts';
import { kilnConfig } from './kiln-config.ts';

const on = { push: { branches: ['main'] } };

/** The complaints about a config with these fields in its one image, `field: expected`. */
function complaints(image: Record<string, unknown>, top: Record<string, unknown> = { on }): string[] {
  const input = { version: 1, ...top, images: [{ name: 'app', ...image }] };
  const parsed = kilnConfig.safeParse(input);
  return parsed.success
    ? []
    : fieldProblems(parsed.error, input).map(({ field, got, expected }) => `${field}: ${got}: ${expected}`);
}

describe('.kiln.yaml', () => {
  it('needs little', () => {
    const parsed = kilnConfig.parse({ version: 1, on: { push: null }, images: [{ name: 'app' }] });
    expect(parsed.images[0]).toMatchObject({ context: '.', dockerfile: 'Dockerfile', output: 'none', weight: 1 });
  });

  it.each([
    [{ imagee: 1 }, 'images[0].imagee: 1: no such field'],
    [{ __proto__x: 1 }, 'images[0].__proto__x: 1: no such field'],
    [{ name: 'App' }, 'images[0].name: "App": lower-case letters'],
    [{ context: '../x' }, 'images[0].context: "../x": a path relative'],
    [{ output: 'push' }, 'images[0].tags: nothing: at least one tag where output is push'],
    [{ output: 'load' }, 'images[0].output: "load": "push" or "none"'],
    [{ buildArgs: { VERSION: 1.2 } }, 'images[0].buildArgs.VERSION: 1.2: a string; put numbers'],
    [{ tags: ['registry/app:{branhc}'] }, "{branhc} isn't one"],
    [{ tags: ['registry/{branch}:x'] }, 'after the colon only'],
    [{ tags: ['{branch}'] }, 'after the colon only'],
    [{ tags: ['localhost:5000/App:{sha}'] }, 'an image reference'],
    [{ on: {} }, 'images[0].on: {}: push, pull_request or both'],
    [{ on: { push: { branch: ['main'] } } }, 'images[0].on.push.branch: ["main"]: no such field'],
    [{ paths: [] }, 'images[0].paths: []: at least 1 items'],
    [{ secrets: ['A', { id: 'A', name: 'B' }] }, 'each id once'],
    [{ weight: 0 }, 'images[0].weight: 0: at least 1'],
    [{ priority: 'high' }, 'images[0].priority: "high": "interactive" or "normal" or "batch"'],
  ])('%j is refused', (image, complaint) => {
    expect(complaints(image).join('\n')).toContain(complaint);
  });

  it('never quotes what stands under secrets', () => {
    expect(complaints({ secrets: ['hunter2 is no name'] }).join('\n')).not.toContain('hunter2');
  });

  it('says where `on` may stand, and refuses two images of one name', () => {
    expect(complaints({}, {}).join()).toContain('images[0].on: nothing: push, pull_request or both, here or');
    const twice = { version: 1, on, images: [{ name: 'app' }, { name: 'app' }] };
    expect(kilnConfig.safeParse(twice).error?.issues[0]?.message).toContain('no other image');
  });

  it('takes placeholders after a port as after a name', () => {
    expect(complaints({ tags: ['localhost:5000/a/b:{branch}-{shortSha}', 'app:pr-{pr}', 'app'] })).toEqual([]);
  });
});
