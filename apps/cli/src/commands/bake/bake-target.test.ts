import { expect, it } from 'vitest';
import { parseFlags } from '../../framework/flags.ts';
import { BUILD_FLAGS } from '../build/request/build-flags.ts';
import { bakeTargets } from './bake-target.ts';

const only = (fields: object) => {
  const [[target] = []] = bakeTargets({ target: { web: { ...fields } } });
  if (!target) throw new Error('no target');
  return target;
};

const namesOf = (definition: Parameters<typeof bakeTargets>[0]) =>
  bakeTargets(definition).map((targets) => targets.map(({ name }) => name));

it('gives a target the flags that build it', () => {
  const { args } = only({
    ...{ args: { A: '1', UNSET: null }, labels: { l: 'x=y' }, tags: ['r/a:1', 'r/a:2'], target: 't', 'no-cache': true },
    ...{ platforms: ['linux/amd64'], contexts: { lib: './lib' }, secret: ['id=a,env=A'], pull: false },
    ...{ output: ['type=registry'], attest: ['type=provenance,mode=max'], 'cache-from': ['type=registry,ref=r/c'] },
    ...{ description: 'words', context: '.', dockerfile: 'Dockerfile' },
  });
  expect(parseFlags(args, BUILD_FLAGS).flags).toMatchObject({
    ...{
      'build-arg': ['A=1'],
      label: ['l=x=y'],
      tag: ['r/a:1', 'r/a:2'],
      target: 't',
      'no-cache': true,
      file: undefined,
    },
    ...{ platform: ['linux/amd64'], 'build-context': ['lib=./lib'], secret: ['id=a,env=A'], pull: false },
    ...{ output: ['type=registry'], attest: ['type=provenance,mode=max'], 'cache-from': ['type=registry,ref=r/c'] },
  });
});

it('takes values as newer versions of buildx print them, with their fields', () => {
  const output = [{ type: 'local', dest: 'out,1' }];
  expect(only({ output, secret: [{ id: 'a', src: 'f' }] }).args).toEqual([
    '--output=type=local,"dest=out,1"',
    '--secret=id=a,src=f',
  ]);
});

it.each([
  [{ context: 'sub', dockerfile: 'docker/x' }, 'sub', ['--file=sub/docker/x']],
  [{ context: 'cwd://sub', dockerfile: '/abs/x' }, 'sub', ['--file=/abs/x']],
  [{ context: 'https://x.io/a.git#main', dockerfile: 'x' }, 'https://x.io/a.git#main', ['--file=x']],
  [{}, '.', []],
])('finds the Dockerfile of %j', (fields, operand, args) => {
  expect(only(fields)).toMatchObject({ operand, args, dockerfileText: undefined });
});

it('has a Dockerfile of its own instead of a file', () => {
  expect(only({ dockerfile: 'x', 'dockerfile-inline': 'FROM scratch' })).toMatchObject({
    ...{ args: [], dockerfileText: 'FROM scratch' },
  });
});

it('builds what was asked for, groups in groups included, and each target once', () => {
  const group = {
    default: { targets: ['all', 'c'] },
    all: { targets: ['a', 'ab'] },
    ab: { targets: ['a', 'b'] },
  };
  const target = { a: {}, b: {}, c: {}, dependency: {} };
  expect(namesOf({ group, target })).toEqual([['a'], ['b'], ['c']]);
});

it('puts targets that are linked into one build, and first one that no other uses', () => {
  const uses = (...names: string[]) => ({
    contexts: Object.fromEntries(names.map((name) => [name, `target:${name}`])),
  });
  const target = { base: {}, lone: {}, app: uses('mid'), mid: uses('base'), tool: uses('base'), x: uses('y'), y: {} };
  const asked = (...targets: string[]) => ({ group: { default: { targets } }, target });
  expect(namesOf(asked('base', 'lone', 'app', 'tool'))).toEqual([['app', 'tool', 'base', 'mid'], ['lone']]);
  expect(namesOf(asked('x'))).toEqual([['x', 'y']]);
  expect(namesOf(asked('y'))).toEqual([['y']]);
  expect(() => namesOf({ target: { a: uses('gone') } })).toThrow('the bake files have no target gone');
});

it('passes only the contexts to kiln build that are no links', () => {
  const target = only({ contexts: { self: 'target:web', lib: './lib' } });
  expect(target).toMatchObject({ args: ['--build-context=lib=./lib'], links: { self: 'web' } });
});

it('refuses keys that it does not know', () => {
  expect(() => only({ unheard: 1 })).toThrow('target web: unheard is not supported');
});
