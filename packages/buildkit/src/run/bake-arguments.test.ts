import { buildSpec, targetSpecs } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { bakeArguments } from './bake-arguments.ts';
import type { BuildxInvocation } from './buildx-arguments.ts';

const source = { type: 'upload', name: 'app', digest: `sha256:${'a'.repeat(64)}` };
const spec = buildSpec.parse({
  ...{ source, tags: ['r/app:1'], noCache: true, secrets: ['common', 'word', 'word.2'] },
  output: { type: 'several', outputs: [{ type: 'push' }, { type: 'artifact' }] },
  buildContexts: { base: { type: 'target', name: 'base' } },
  bake: {
    name: 'app',
    secrets: { word: 'word' },
    targets: { base: { source, output: { type: 'artifact' }, noCache: true, secrets: { word: 'word.2' } } },
  },
});

const own: BuildxInvocation = {
  ...{ builder: 'b', trust: 'trusted', spec, repo: 'app', metadataFile: '/m', outputFiles: ['/0.tar', '/1.tar'] },
  context: { type: 'directory', path: '/app', dockerfile: '/app.Dockerfile' },
  features: { memoryFlag: true, cpusFlag: true, callFlag: true },
  secrets: [
    { id: 'common', env: 'S0' },
    { id: 'word', env: 'S1' },
    { id: 'word.2', src: '/s2' },
  ],
  cacheFlags: ['--cache-from=type=registry,ref=r/c', '--cache-to=type=inline'],
};

async function written() {
  const files = new Map<string, { target: Record<string, object> }>();
  const targets = targetSpecs(spec).map((target, i) => ({
    ...target,
    context: { type: 'directory' as const, path: `/ctx-${i}`, dockerfile: `/Dockerfile-${i}` },
    contextDirs: new Map<string, string>(),
  }));
  const placed = {
    placeBakeFile: async (name: string, file: object) => files.set(name, file as never) && `/own/${name}`,
  };
  return { files, ...(await bakeArguments({}, own, targets, placed)) };
}

test('gives each target its own context, files, and secrets under its own ids', async () => {
  const { files, argv } = await written();
  expect(argv).toEqual([
    'bake',
    '--builder=b',
    '--progress=rawjson',
    '--metadata-file=/m',
    '--file=/own/bake.json',
    'app',
    'base',
  ]);
  const { target } = files.get('bake.json') ?? { target: {} };
  expect(target.app).toMatchObject({
    ...{ context: '/ctx-0', dockerfile: '/Dockerfile-0', contexts: { base: 'target:base' }, tags: ['r/app:1'] },
    ...{ secret: ['id=common,env=S0', 'id=word,env=S1'], output: ['type=registry', 'type=tar,dest=/0.tar'] },
    ...{ 'no-cache': true, 'cache-from': ['type=registry,ref=r/c'], 'cache-to': ['type=inline'] },
  });
  expect(target.base).toEqual({
    ...{ context: '/ctx-1', dockerfile: '/Dockerfile-1', args: expect.any(Object), 'no-cache': true },
    ...{ secret: ['id=common,env=S0', 'id=word,src=/s2'], output: ['type=tar,dest=/1.tar'] },
    'cache-from': ['type=registry,ref=r/c'],
  });
});

test('takes everything from the cache when the pushes are repeated', async () => {
  const { files, argvAgain } = await written();
  expect(argvAgain).toContain('--file=/own/bake-again.json');
  const { target } = files.get('bake-again.json') ?? { target: {} };
  for (const name of ['app', 'base']) expect(target[name]).not.toHaveProperty('no-cache');
});
