import { expect, test } from 'vitest';
import { buildRequest, buildSpec } from './build-request.ts';
import { onAllTargets, targetSpecs, uploadedTrees } from './target-specs.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const source = { type: 'upload', name: 'app', digest: DIGEST } as const;
const link = (name: string) => ({ type: 'target', name }) as const;

function issues(request: object): string[] {
  const { error } = buildRequest.safeParse({ source, ...request });
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

const base = { source };
const withBase = (target: object) => ({
  buildContexts: { base: link('base') },
  bake: { name: 'app', targets: { base: { ...base, ...target } } },
});

test('takes targets that are linked, and refuses links that lead nowhere or in a circle', () => {
  expect(issues(withBase({}))).toEqual([]);
  expect(issues({ buildContexts: { base: link('base') } })).toEqual([
    'buildContexts.base.name: bake.name, or a name in bake.targets',
  ]);
  expect(issues(withBase({ buildContexts: { x: link('gone') } }))).toEqual([
    'bake.targets.base.buildContexts.x.name: bake.name, or a name in bake.targets',
  ]);
  expect(issues(withBase({ buildContexts: { x: link('app') } }))).toEqual([
    'buildContexts.base.name: a target that doesn’t use the result of app',
    'bake.targets.base.buildContexts.x.name: a target that doesn’t use the result of base',
  ]);
  expect(issues({ bake: { name: 'base', targets: { base } } })).toEqual([
    'bake.targets.base: a name other than bake.name',
  ]);
  expect(issues({ bake: { name: 'a.b', targets: {} } })).toEqual([
    'bake.name: the name of a target: letters, digits, _ -',
  ]);
});

test('refuses in a target what it refuses in a build', () => {
  const at = 'bake.targets.base';
  expect(issues(withBase({ output: { type: 'push' } }))).toEqual([
    `${at}.tags: at least one tag, because output.type is push`,
  ]);
  expect(issues(withBase({ buildArgs: { BUILDKIT_CACHE_MOUNT_NS: 'x' } }))).toEqual([
    expect.stringContaining(`${at}.buildArgs.BUILDKIT_CACHE_MOUNT_NS: it to be absent`),
  ]);
  expect(issues(withBase({ noCache: true, noCacheFilter: ['x'] }))).toEqual([
    `${at}.noCacheFilter: no stages, because noCache is set and covers all`,
  ]);
  expect(issues(withBase({ source: { type: 'upload', name: 'app' } }))).toEqual([
    `${at}.source.digest: the digest of an uploaded context`,
  ]);
  expect(issues(withBase({ secrets: { id: 'gone' } }))).toEqual([`${at}.secrets.id: the id of a secret of the build`]);
  for (const field of ['team', 'cacheScope', 'timeoutSeconds', 'storedSecrets', 'mtimes', 'bake'])
    expect(issues(withBase({ [field]: 'x' })), field).toEqual([expect.stringContaining(`${at}: Unrecognized key`)]);
});

test('returns each target as a build of its own, with only its own fields and secrets', () => {
  const { secrets, ...request } = buildRequest.parse({
    ...{ source, dockerfile: 'app.Dockerfile', target: 'stage', tags: ['r/app:1'], buildArgs: { A: '1' } },
    ...{ annotations: ['a=b'], provenance: true, cacheScope: 'team', output: { type: 'push' } },
    ...{ cache: { from: [{ type: 'registry', ref: 'r/c:1' }] }, extraHosts: [{ host: 'h', ip: '10.0.0.1' }] },
    secrets: { common: '1', word: '2', 'word.2': '3' },
    buildContexts: { base: link('base'), lib: { type: 'upload', digest: `sha256:${'b'.repeat(64)}` } },
    bake: {
      name: 'app',
      secrets: { word: 'word' },
      targets: { base: { source: { ...source, digest: `sha256:${'c'.repeat(64)}` }, secrets: { word: 'word.2' } } },
    },
  });
  const spec = buildSpec.parse({ ...request, secrets: Object.keys(secrets) });
  const [app, other] = targetSpecs(spec);
  expect(app).toMatchObject({ name: 'app', at: [], spec: { tags: ['r/app:1'], secrets: ['common', 'word'] } });
  expect(other).toMatchObject({ name: 'base', at: ['bake', 'targets', 'base'] });
  expect(other?.spec).toEqual({
    ...buildSpec.parse({ source, secrets: ['common', 'word'] }),
    ...{ source: other?.spec.source, cacheScope: 'team', cache: { mode: 'warm' } },
  });
  expect([...(other?.renamedSecrets ?? [])]).toEqual([['word', 'word.2']]);
  expect(uploadedTrees(spec).map(({ digest, at, dockerfile }) => [digest.at(-1), at.join('.'), dockerfile])).toEqual([
    ['b', 'buildContexts.lib', undefined],
    ['c', 'bake.targets.base.source', 'Dockerfile'],
  ]);
  const fresh = targetSpecs(onAllTargets(spec, { noCache: true, output: { type: 'none' } }));
  expect(fresh.map((target) => [target.spec.noCache, target.spec.output.type])).toEqual([
    [true, 'none'],
    [true, 'none'],
  ]);
});
