import { type BuildSpec, buildSpec } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { type BuildxInvocation, buildxArguments, cacheNamespace, unenforcedLimits } from './buildx-arguments.ts';
import { gitContext } from './git-context.ts';

const NO_LIMITS = { memoryFlag: false, cpusFlag: false, callFlag: false };

function spec(fields: Partial<Parameters<typeof buildSpec.parse>[0] & object> = {}): BuildSpec {
  return buildSpec.parse({ source: { type: 'upload', name: 'app' }, secrets: [], ...fields });
}

function argumentsOf(fields: object = {}, invocation: Partial<BuildxInvocation> = {}): string[] {
  return buildxArguments({
    builder: 'default',
    trust: 'trusted',
    spec: spec(fields),
    repo: 'example.org/app',
    context: { type: 'directory', path: '/run/1/context', dockerfile: '/run/1/context/Dockerfile' },
    secrets: [],
    metadataFile: '/scratch/meta.json',
    features: NO_LIMITS,
    ...invocation,
  });
}

test('passes a plain build of an uploaded context without output', () => {
  expect(argumentsOf()).toEqual([
    'build',
    '--builder=default',
    '--progress=rawjson',
    '--metadata-file=/scratch/meta.json',
    '--file=/run/1/context/Dockerfile',
    `--build-arg=BUILDKIT_CACHE_MOUNT_NS=${cacheNamespace({ repo: 'example.org/app', team: 'default', scope: 'repo' })}`,
    '--output=type=cacheonly',
    '/run/1/context',
  ]);
});

test('passes annotations, hosts, limits and stages to run again as buildx writes them', () => {
  const options = {
    annotations: ['a=b c', 'index,manifest[linux/amd64]:k=v'],
    noCacheFilter: ['build', 'test'],
    extraHosts: [
      { host: 'db', ip: '10.0.0.1' },
      { host: 'six', ip: '::1' },
    ],
    entitlements: ['network.host'],
    networkMode: 'host',
    resources: { shmSizeBytes: 1 << 27, ulimits: [{ name: 'nofile', soft: 100, hard: -1 }] },
  };
  expect(argumentsOf(options).slice(6, -1)).toEqual([
    '--annotation=a=b c',
    '--annotation=index,manifest[linux/amd64]:k=v',
    '--no-cache-filter=build',
    '--no-cache-filter=test',
    '--add-host=db:10.0.0.1',
    '--add-host=six:::1',
    '--allow=network.host',
    '--network=host',
    '--output=type=cacheonly',
    '--shm-size=134217728',
    '--ulimit=nofile=100:-1',
  ]);
  expect(argumentsOf({ ...options, noCache: true }).join(' ')).not.toContain('--no-cache-filter');
});

test('passes everything that a request can contain', () => {
  const all = argumentsOf(
    {
      dockerfile: 'docker/app.Dockerfile',
      target: 'web',
      buildArgs: { A: '1', B: 'x=y z' },
      labels: { 'org.example.k': 'v w' },
      platforms: ['linux/amd64', 'linux/arm64'],
      tags: ['r.example/a:1', 'r.example/a:2'],
      noCache: true,
      pull: true,
      output: { type: 'push' },
      provenance: 'mode=max',
      sbom: false,
      resources: { memoryBytes: 1 << 30, cpus: 1.5 },
    },
    {
      secrets: [
        { id: 'npm', env: 'KILN_SECRET_0' },
        { id: 'GIT_AUTH_TOKEN.github.com', src: '/scratch/secret-1' },
      ],
      features: { memoryFlag: true, cpusFlag: true, callFlag: true },
      context: { type: 'git', url: 'https://github.com/acme/app', commit: 'abc', subdir: './services/web/' },
    },
  );
  expect(all.slice(4)).toEqual([
    '--file=docker/app.Dockerfile',
    '--target=web',
    '--build-arg=A=1',
    '--build-arg=B=x=y z',
    expect.stringMatching(/^--build-arg=BUILDKIT_CACHE_MOUNT_NS=[0-9a-f]{16}$/),
    '--label=org.example.k=v w',
    '--platform=linux/amd64,linux/arm64',
    '--tag=r.example/a:1',
    '--tag=r.example/a:2',
    '--no-cache',
    '--pull',
    '--secret=id=npm,env=KILN_SECRET_0',
    '--secret=id=GIT_AUTH_TOKEN.github.com,src=/scratch/secret-1',
    '--push',
    '--provenance=mode=max',
    '--sbom=false',
    '--memory=1073741824',
    '--cpus=1.5',
    'https://github.com/acme/app.git#abc:services/web',
  ]);
});

test('passes named contexts, uploaded ones as directories of the host', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const buildContexts = {
    'alpine:3': { type: 'image', ref: 'r.example/alpine:3' },
    src: { type: 'git', url: 'https://example.org/a', ref: 'main', subdir: 'sub' },
    head: { type: 'git', url: 'https://example.org/a.git' },
    lib: { type: 'upload', digest },
    img: { type: 'oci-layout', digest, image: ':v1' },
  };
  const contextDirs = new Map([
    ['lib', '/run/1/contexts/0'],
    ['img', '/run/1/contexts/1'],
  ]);
  const given = argumentsOf({ buildContexts }, { contextDirs });
  expect(given.filter((arg) => arg.startsWith('--build-context='))).toEqual([
    '--build-context=alpine:3=docker-image://r.example/alpine:3',
    '--build-context=src=https://example.org/a.git#main:sub',
    '--build-context=head=https://example.org/a.git',
    '--build-context=lib=/run/1/contexts/0',
    '--build-context=img=oci-layout:///run/1/contexts/1:v1',
  ]);
  expect(() => argumentsOf({ buildContexts })).toThrow('no directory for the context lib');
});

test.each([
  ['none', '--output=type=cacheonly'],
  ['push', '--push'],
  ['load', '--load'],
  ['artifact', '--output=type=tar,dest=-'],
])('passes the output %s as %s', (type, flag) => {
  expect(argumentsOf({ output: { type }, tags: ['a:1'] })).toContain(flag);
});

test.each([
  [
    { type: 'push', options: { compression: 'zstd', 'annotation.a': 'b,"c"' } },
    ['type=image,push=true,compression=zstd,"annotation.a=b,""c"""'],
  ],
  [{ type: 'artifact', format: 'docker' }, ['type=docker,dest=-']],
  [
    {
      type: 'several',
      outputs: [{ type: 'artifact' }, { type: 'artifact', format: 'oci', options: { compression: 'gzip' } }],
    },
    ['type=tar,dest=/run/1/0.tar', 'type=oci,dest=/run/1/1.tar,compression=gzip'],
  ],
] as const)('passes the output %o in buildx’s notation', (output, flags) => {
  const given = argumentsOf(
    { output, tags: ['a:1'] },
    { outputFiles: output.type === 'several' ? ['/run/1/0.tar', '/run/1/1.tar'] : [] },
  );
  expect(given.filter((arg) => arg.startsWith('--output'))).toEqual(flags.map((flag) => `--output=${flag}`));
  expect(given).toContain('--tag=a:1');
});

test.each([
  [{ method: 'check' }, true, '--call=check,format=text,ignorestatus=true'],
  [{ method: 'outline', format: 'json' }, true, '--call=outline,format=json,ignorestatus=true'],
  [{ method: 'check' }, false, '--print=lint'],
  [{ method: 'targets', format: 'json' }, false, '--print=targets,format=json'],
])('passes the call %j to a buildx that has --call: %j', (call, callFlag, flag) => {
  const given = argumentsOf({ call }, { features: { ...NO_LIMITS, callFlag } });
  expect(given.filter((arg) => /^--(?:call|print|output)/.test(arg))).toEqual(['--output=type=cacheonly', flag]);
});

test('gives each output its own names', () => {
  const outputs = [
    { type: 'push', names: ['a:1', 'a:2'] },
    { type: 'artifact', format: 'docker', names: ['b:1'] },
    { type: 'artifact', format: 'oci', names: [] },
    { type: 'artifact' },
  ];
  const given = argumentsOf(
    { output: { type: 'several', outputs }, tags: ['a:1', 'a:2', 'b:1'] },
    { outputFiles: ['/0', '/1', '/2'] },
  );
  expect(given.filter((arg) => /^--(?:output|tag|push)/.test(arg))).toEqual([
    '--output=type=image,push=true,"name=a:1,a:2"',
    '--output=type=docker,dest=/0,name=b:1',
    '--output=type=oci,dest=/1',
    '--output=type=tar,dest=/2',
  ]);
});

test('does not let a build argument choose another namespace', () => {
  const given = argumentsOf({ buildArgs: { BUILDKIT_CACHE_MOUNT_NS: 'somebody-else' } });
  const own = cacheNamespace({ repo: 'example.org/app', team: 'default', scope: 'repo' });
  expect(given.filter((arg) => arg.includes('CACHE_MOUNT_NS'))).toEqual([`--build-arg=BUILDKIT_CACHE_MOUNT_NS=${own}`]);
});

test('derives the namespace from the cache scope', () => {
  const namespace = (scope: 'repo' | 'team' | 'pool', repo = 'a', team = 'web') =>
    cacheNamespace({ repo, team, scope });
  expect(namespace('repo')).not.toBe(namespace('repo', 'b'));
  expect(namespace('repo')).toBe(namespace('repo', 'a', 'another'));
  expect(namespace('team')).toBe(namespace('team', 'b'));
  expect(namespace('team')).not.toBe(namespace('team', 'a', 'another'));
  expect(namespace('pool')).toBe(namespace('pool', 'b', 'another'));
  expect(new Set([namespace('repo'), namespace('team'), namespace('pool'), namespace('team', 'a', 'pool')]).size).toBe(
    4,
  );
  // A namespace with a slash wouldn't split the layer cache.
  expect(namespace('repo', 'example.org/app//sub:Dockerfile')).toMatch(/^[0-9a-f]{16}$/);
  const args = argumentsOf({ cacheScope: 'team', team: 'web' });
  expect(args).toContain('--build-arg=BUILDKIT_CACHE_MOUNT_NS=team-web');
});

test('omits and lists limits for which this buildx has no flag', () => {
  const limited = { resources: { memoryBytes: 1 << 30, cpus: 2 } };
  expect(argumentsOf(limited).join(' ')).not.toMatch(/memory|cpus/);
  expect(unenforcedLimits(spec(limited), NO_LIMITS)).toEqual(['memoryBytes', 'cpus']);
  expect(unenforcedLimits(spec(limited), { ...NO_LIMITS, memoryFlag: true, cpusFlag: true })).toEqual([]);
  expect(unenforcedLimits(spec(), NO_LIMITS)).toEqual([]);
});

test.each([
  [{ url: 'https://h/a/b', commit: 'c' }, 'https://h/a/b.git#c'],
  [{ url: 'https://h/a/b/', commit: 'c' }, 'https://h/a/b.git#c'],
  [{ url: 'http://h/a/b.git', commit: 'c', subdir: 'x/y' }, 'http://h/a/b.git#c:x/y'],
  [{ url: 'git://h/a/b', commit: 'c', subdir: '.' }, 'git://h/a/b#c'],
  [{ url: 'https://h/a.git', commit: 'c', subdir: './' }, 'https://h/a.git#c'],
])('passes the git context %o as %s', (context, expected) => {
  expect(gitContext(context)).toBe(expected);
});

test('shares mounts of untrusted builds only within their repo, whatever scope they request', () => {
  const of = (repo: string, scope: 'repo' | 'team' | 'pool') =>
    cacheNamespace({ repo, team: 'web', scope, trust: 'untrusted' });
  expect(new Set([of('a', 'repo'), of('a', 'team'), of('a', 'pool')]).size).toBe(1);
  expect(of('a', 'pool')).not.toBe(of('b', 'pool'));
  const args = argumentsOf({ cacheScope: 'pool' }, { trust: 'untrusted' });
  expect(args).toContain(`--build-arg=BUILDKIT_CACHE_MOUNT_NS=${of('example.org/app', 'repo')}`);
});
