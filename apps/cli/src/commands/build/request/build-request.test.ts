import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { buildRequest } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { parseFlags } from '../../../framework/flags.ts';
import { TempDir } from '../../../testing/temp-dir.ts';
import { DOCKER_FLAGS, IGNORED_FLAGS, KILN_FLAGS, REFUSED_FLAGS } from './build-flags.ts';
import { buildRequestOf } from './build-request.ts';
import { buildxWarnings } from './buildx-compat.ts';
import { gitSourceOf } from './git-source.ts';
import { planOutput } from './output-flag.ts';
import { readSecrets } from './secret-flag.ts';

const TABLE = { ...DOCKER_FLAGS, ...KILN_FLAGS, ...IGNORED_FLAGS, ...REFUSED_FLAGS };

function requestOf(...args: string[]) {
  const { flags } = parseFlags(args, TABLE);
  return buildRequestOf({
    flags,
    env: { FROM_ENV: 'e' },
    plan: planOutput(flags),
    secrets: { values: {}, binary: [] },
    source: { type: 'upload', name: 'app' },
    dockerfile: undefined,
  });
}

describe('buildRequestOf', () => {
  it('turns docker’s flags into a request that the API accepts', () => {
    const request = requestOf(
      ...[
        '-t',
        'r.io/app:1',
        '-t',
        'r.io/app:2',
        '--build-arg',
        'A=b=c',
        '--build-arg',
        'FROM_ENV',
        '--build-arg',
        'UNSET',
      ],
      ...[
        '--target',
        'prod',
        '--platform',
        'linux/amd64,arm64',
        '--platform',
        'linux/aarch64',
        '--label',
        'x=1',
        '--label',
        'y',
      ],
      ...[
        '--push',
        '--no-cache',
        '--pull',
        '--provenance=mode=max',
        '--sbom',
        'true',
        '--timeout',
        '1h30m',
        '-m',
        '512m',
      ],
      ...['--priority', 'batch', '--team', 'web', '--cache-scope', 'team'],
      ...['--weight', '2', '--host-label', 'disk=nvme', '--host-label', 'gpu'],
    );
    expect(buildRequest.parse(request)).toMatchObject({
      tags: ['r.io/app:1', 'r.io/app:2'],
      buildArgs: { A: 'b=c', FROM_ENV: 'e' },
      target: 'prod',
      platforms: ['linux/amd64', 'linux/arm64'],
      labels: { x: '1', y: '' },
      output: { type: 'push' },
      noCache: true,
      pull: true,
      provenance: 'mode=max',
      sbom: true,
      timeoutSeconds: 5400,
      resources: { memoryBytes: 512 * 1024 * 1024 },
      priority: 'batch',
      team: 'web',
      cacheScope: 'team',
      weight: 2,
      hostLabels: { disk: 'nvme', gpu: '' },
    });
  });

  it('turns the flags for RUN steps and annotations into a request that the API accepts', () => {
    const request = requestOf(
      ...['--add-host', 'db:10.0.0.1', '--add-host', 'six=[::1]', '--add-host', 'x:fe80::1'],
      ...['--shm-size', '128m', '--ulimit', 'nofile=10', '--ulimit', 'nofile=100:-1', '--ulimit', 'core=0:1'],
      ...['--no-cache-filter', 'a,b', '--no-cache-filter', 'b'],
      ...['--annotation', 'k=v=w', '--annotation', 'index,manifest[linux/arm64]:org.x/y=a b'],
    );
    expect(buildRequest.parse(request)).toMatchObject({
      extraHosts: [
        { host: 'db', ip: '10.0.0.1' },
        { host: 'six', ip: '::1' },
        { host: 'x', ip: 'fe80::1' },
      ],
      resources: {
        shmSizeBytes: 128 * 1024 * 1024,
        ulimits: [
          { name: 'nofile', soft: 100, hard: -1 },
          { name: 'core', soft: 0, hard: 1 },
        ],
      },
      noCacheFilter: ['a', 'b'],
      annotations: ['k=v=w', 'index,manifest[linux/arm64]:org.x/y=a b'],
    });
    // A worker of an older version refuses what it doesn't know, so nothing is sent that wasn't asked for.
    expect(Object.keys(requestOf())).not.toEqual(expect.arrayContaining(['annotations']));
    expect(requestOf().resources).toEqual({});
  });

  it('parses --attest', () => {
    expect(requestOf('--attest', 'type=provenance,mode=min', '--attest', 'type=sbom,disabled=true')).toMatchObject({
      provenance: 'mode=min',
      sbom: false,
    });
  });

  it.each([
    ['--priority', 'urgent', 'expected interactive, normal, batch'],
    ['--cache-scope', 'world', 'expected repo, team, pool'],
    ['--build-arg', 'BUILDKIT_CACHE_MOUNT_NS=x', 'is set by Kiln; choose caches with --repo'],
    ['--build-arg', 'BUILDKIT_CACHE_MOUNT_NS', 'is set by Kiln'],
    ['--timeout', 'soon', 'expected a duration'],
    ['--memory', 'lots', 'expected a size'],
    ['--cpus', '0', 'expected a number above 0'],
    ['--weight', '0', 'expected a whole number from 1 to 64'],
    ['--weight', '1.5', 'expected a whole number from 1 to 64'],
    ['--host-label', '=x', '--host-label: got "=x", expected KEY=VALUE'],
    ['--add-host', 'db', '--add-host: got "db", expected HOST:IP'],
    ['--add-host', 'db:host-gateway', 'give the address itself'],
    ['--ulimit', 'nofile', '--ulimit: got "nofile", expected NAME=SOFT[:HARD]'],
    ['--shm-size', 'lots', '--shm-size: got "lots", expected a size'],
    ['--attest', 'type=x', 'expected type=provenance'],
    ['--build-arg', '=x', 'expected KEY=VALUE'],
  ])('refuses %s %s', (flag, value, message) => {
    expect(() => requestOf(flag, value)).toThrow(message);
  });
});

describe('--network and --allow', () => {
  it.each([
    [['--network', 'default'], {}],
    [['--network', 'none'], { networkMode: 'none' }],
    [['--network', 'host'], { networkMode: 'host', entitlements: ['network.host'] }],
    [['--allow', 'security.insecure,network.host'], { entitlements: ['security.insecure', 'network.host'] }],
  ])('turn %j into %j', (args, expected) => {
    const { networkMode, entitlements } = buildRequest.parse(requestOf(...args));
    expect({ networkMode, entitlements }).toEqual({ networkMode: undefined, entitlements: undefined, ...expected });
  });

  it.each([
    [['--network', 'bridge'], 'network mode "bridge" not supported by buildkit'],
    [['--allow', 'all'], '--allow: got "all", expected network.host, security.insecure'],
  ])('refuse %j', (args, message) => {
    expect(() => requestOf(...args)).toThrow(message);
  });
});

describe('planOutput', () => {
  const plan = (...args: string[]) => planOutput(parseFlags(args, TABLE).flags);
  const files = (destination: object, output: object = {}) => ({
    output: { type: 'artifact', ...output },
    destinations: [destination],
  });
  const directory = (path: string) => ({ type: 'directory', path });
  const file = (path: string) => ({ type: 'file', path });
  const stdout = { type: 'stdout' };
  const docker = { type: 'artifact', format: 'docker' };
  const oci = { type: 'artifact', format: 'oci' };
  const engine = { type: 'engine' };

  it.each([
    [[], { output: { type: 'none' } }],
    [['--push'], { output: { type: 'push' } }],
    [['--load'], files(engine, docker)],
    [['--load=host'], { output: { type: 'load' } }],
    [['-o', 'out'], files(directory('out'))],
    [['-o', 'dest=x'], files(directory('dest=x'))],
    [['-o', '-'], files(stdout)],
    [['-o', 'type=local,dest=out'], files(directory('out'))],
    [
      ['-o', 'type=local,dest=out,platform-split=false'],
      files(directory('out'), { options: { 'platform-split': 'false' } }),
    ],
    [['-o', 'type=local,"dest=a,b"'], files(directory('a,b'))],
    [['-o', 'type=tar'], files(stdout)],
    [['-o', 'type=tar,dest=-'], files(stdout)],
    [['-o', 'type=tar,dest=x.tar'], files(file('x.tar'))],
    [['-o', 'type=oci'], files(stdout, oci)],
    [['-o', 'type=oci,dest=x,tar=false'], files(directory('x'), oci)],
    [
      ['-o', 'type=oci,dest=x.tar,compression=zstd,annotation.a=b'],
      files(file('x.tar'), { ...oci, options: { compression: 'zstd', 'annotation.a': 'b' } }),
    ],
    [['-o', 'type=docker'], files(engine, docker)],
    [['-o', 'type=docker,context=other'], files({ ...engine, context: 'other' }, docker)],
    [['-o', 'type=docker,dest=-'], files(stdout, docker)],
    [['-o', 'type=docker,dest=x.tar,name=a:1'], { ...files(file('x.tar'), docker), names: ['a:1'] }],
    [['-o', 'type=docker', '--load'], files(engine, docker)],
    [['-o', 'type=registry'], { output: { type: 'push' } }],
    [
      ['-o', 'type=registry,compression=zstd,store=true'],
      { output: { type: 'push', options: { compression: 'zstd' } } },
    ],
    [['-o', 'type=image,name=r.io/a,push=true'], { output: { type: 'push' }, names: ['r.io/a'] }],
    [['-o', 'type=image,"name=r.io/a,r.io/b",push=true'], { output: { type: 'push' }, names: ['r.io/a', 'r.io/b'] }],
    [['-o', 'type=image,name=r.io/a,push=true', '-t', 'r.io/b'], { output: { type: 'push' }, names: [] }],
    [['-o', 'type=image', '--push'], { output: { type: 'push' } }],
    [['-o', 'type=image'], { output: { type: 'none' } }],
    [['-o', 'type=cacheonly'], { output: { type: 'none' } }],
    [['-o', 'a', '-o', 'type=cacheonly'], files(directory('a'))],
    [
      ['-o', 'a', '-o', 'type=oci,dest=b.tar', '-o', 'type=tar'],
      {
        output: { type: 'several', outputs: [{ type: 'artifact' }, oci, { type: 'artifact' }] },
        destinations: [directory('a'), file('b.tar'), stdout],
      },
    ],
    [
      ['--push', '--load', '-o', 'out'],
      {
        output: { type: 'several', outputs: [{ type: 'artifact' }, { type: 'push' }, docker] },
        destinations: [directory('out'), engine],
      },
    ],
    [
      ['-o', 'type=image,name=a', '-o', 'type=docker,name=b,dest=b.tar', '-o', 'type=oci,dest=c.tar', '--push'],
      {
        output: {
          type: 'several',
          outputs: [
            { type: 'push', names: ['a'] },
            { ...docker, names: ['b'] },
            { ...oci, names: [] },
          ],
        },
        names: ['a', 'b'],
      },
    ],
  ])('plans %j', (args, expected) => {
    expect(plan(...args)).toMatchObject(expected);
  });

  it.each([
    [['-o', 'type=docker,dest=x.tar,tar=false'], 'tar=false is not supported for type=docker'],
    [['-o', 'type=local'], 'dest is required for local exporter'],
    [['-o', 'type=local,dest=-'], 'dest cannot be stdout for local exporter'],
    [['-o', 'type=oci,tar=false'], 'dest is required for oci exporter'],
    [['-o', 'type=wasm'], 'got type=wasm, expected local, tar'],
    [['-o', 'a=b,dest=x'], 'type= is required'],
    [['-o', 'type=registry,registry.insecure=true'], 'registry.insecure= is not supported for type=registry'],
    [['-o', 'type=cacheonly,compression=zstd'], 'compression= is not supported for type=cacheonly'],
    [['-o', '-', '-o', 'type=oci'], 'multiple outputs configured to write to stdout'],
    [['-o', 'type=local,"dest=x'], 'unbalanced quotes'],
  ])('refuses %j', (args, message) => {
    expect(() => plan(...args)).toThrow(message);
  });
});

describe('buildRequestOf with Kiln’s own flags', () => {
  it('sets what the build supersedes and whether it shares a run', () => {
    const request = requestOf('--concurrency-key=pr/12', '--supersede', 'queued', '--dedupe');
    expect(buildRequest.parse(request)).toMatchObject({
      concurrencyKey: 'pr/12',
      supersede: 'queued',
      dedupe: true,
    });
    expect(buildRequest.parse(requestOf())).toMatchObject({ dedupe: false });
    expect(() => requestOf('--supersede', 'all')).toThrow('--supersede: got "all", expected queued, running');
  });
});

describe('readSecrets', () => {
  it('reads files that are no text as base64', async () => {
    await using dir = await TempDir.with({ text: 'é' });
    await writeFile(`${dir.path}/bytes`, Buffer.of(0xff, 0xfe, 0x00));
    const { values, binary } = await readSecrets(['id=a,src=bytes', 'id=b,src=text'], {}, dir.path);
    expect({ values, binary }).toEqual({ values: { a: '//4A', b: 'é' }, binary: ['a'] });
    expect((await readSecrets(['id=a,src=bytes', 'id=a,src=text'], {}, dir.path)).binary).toEqual([]);
  });

  it('reads files and variables like buildx does', async () => {
    await using dir = await TempDir.with({ '.npmrc': 'from file\n', both: 'file' });
    const env = { TOKEN: 'from env', both: 'env' };
    const { values, binary, warnings } = await readSecrets(
      [
        'id=a,src=.npmrc',
        'id=b,env=TOKEN',
        'id=both',
        'id=TOKEN',
        'id=c,type=env,src=TOKEN',
        'type=file,id=.npmrc',
        'id=d,env=NO',
      ],
      env,
      dir.path,
    );
    expect(values).toEqual({
      a: 'from file\n',
      b: 'from env',
      both: 'env',
      TOKEN: 'from env',
      c: 'from env',
      '.npmrc': 'from file\n',
      d: '',
    });
    expect(binary).toEqual([]);
    expect(warnings).toEqual(['--secret id=d: the environment variable NO is not set; the secret is empty']);
  });

  it('reads a pipe, as process substitution of a shell makes one', async () => {
    await using dir = await TempDir.with({});
    execFileSync('mkfifo', [`${dir.path}/pipe`]);
    const [{ values }] = await Promise.all([
      readSecrets(['id=a,src=pipe'], {}, dir.path),
      writeFile(`${dir.path}/pipe`, 'from pipe'),
    ]);
    expect(values).toEqual({ a: 'from pipe' });
  });

  it.each([
    ['src=x', 'id= is required'],
    ['id=x,src=nope', 'no such file'],
    ['id=x,type=vault', 'expected file or env'],
    ['id=x,foo=1', 'unknown key foo'],
    ['id=x,src=.', 'not a file'],
    ['id=x,src=large', 'is too big. max size 500KB'],
  ])('refuses %s', async (flag, message) => {
    await using dir = await TempDir.with({});
    await writeFile(`${dir.path}/large`, Buffer.alloc(500 * 1024 + 1, 'a'));
    await expect(readSecrets([flag], {}, dir.path)).rejects.toThrow(message);
  });
});

describe('gitSourceOf', () => {
  it.each([
    ['https://h/r.git', undefined, { url: 'https://h/r.git' }],
    ['https://h/r.git#main', undefined, { url: 'https://h/r.git', ref: 'main' }],
    ['https://h/r.git#main:sub/dir', undefined, { url: 'https://h/r.git', ref: 'main', subdir: 'sub/dir' }],
    ['https://h/r.git#:sub', undefined, { url: 'https://h/r.git', subdir: 'sub' }],
    ['https://h/r', 'v1', { url: 'https://h/r', ref: 'v1' }],
    ['git://h/r', undefined, { url: 'git://h/r' }],
    ['github.com/a/b', undefined, { url: 'https://github.com/a/b' }],
  ])('parses %s', (operand, ref, expected) => {
    expect(gitSourceOf(operand, ref)).toEqual({ type: 'git', ...expected });
  });

  it.each(['.', './x.git', '/a/b', 'dir', '-', 'github.company/x'])('treats %s as a path', (operand) => {
    expect(gitSourceOf(operand, undefined)).toBeUndefined();
  });

  it.each([
    ['git@github.com:a/b.git', undefined, 'only https:// is supported'],
    ['ssh://git@h/r.git', undefined, 'only https:// is supported'],
    ['https://h/x.tar.gz', undefined, 'building from a remote file is not supported'],
    ['https://u:s3cret@h/r.git', undefined, 'https://…@h/r.git: credentials in the URL are not supported'],
    ['https://h/r.git#a', 'b', 'name different refs'],
  ])('refuses %s', (operand, ref, message) => {
    expect(() => gitSourceOf(operand, ref)).toThrow(message);
  });
});

describe('buildxWarnings', () => {
  const warn = (...args: string[]) => buildxWarnings(parseFlags(args, TABLE).flags);

  it('warns of each flag that is ignored', () => {
    expect(warn('--builder', 'b', '--rm')).toHaveLength(2);
    expect(warn('--isolation=default', '--squash=false', '--tag', 'x')).toEqual([]);
  });

  it.each([
    [['--ssh', 'default'], 'no agent is forwarded to the hosts; pass a deploy key or a token with --secret'],
    [['--squash'], 'BuildKit cannot squash; COPY --from the stage'],
  ])('says why %j is refused, and what to do instead', (args, why) => {
    expect(() => warn(...args)).toThrow(`${args[0]} is not supported: ${why}`);
  });

  it.each([['--ssh', 'default'], ['--cpu-shares', '1'], ['--squash']])(
    'refuses %s, which would change the result',
    (...args) => {
      expect(() => warn(...args)).toThrow(`${args[0]} is not supported`);
    },
  );
});
