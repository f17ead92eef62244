import { expect, test } from 'vitest';
import { bakeDefinition } from './bake-definition.ts';

const only = (...args: string[]) => {
  const { target } = bakeDefinition(new Map([['app', ['build', ...args, '/ctx']]])) as { target: { app: object } };
  return target.app;
};

test('writes what the arguments of a build say, except those for the whole run', () => {
  const run = ['--builder=b', '--progress=rawjson', '--metadata-file=/m', '--memory=1', '--cpus=2'];
  expect(
    only(
      ...[...run, '--file=/d/Dockerfile', '--target=t', '--build-arg=A:B=c=d', '--build-arg=E=', '--label=l:x=y:z'],
      ...['--build-context=base:1=target:base', '--platform=linux/amd64,linux/arm64', '--tag=r/a:1', '--tag=r/a:2'],
      ...['--annotation=index:a=b', '--no-cache', '--pull', '--add-host=h:fe80::1', '--secret=id=s,env=KILN_SECRET_0'],
      ...['--no-cache-filter=x', '--cache-from=type=registry,ref=r/c', '--cache-to=type=inline'],
      ...['--output=type=tar,dest=-', '--provenance=mode=max', '--sbom=false', '--shm-size=64', '--ulimit=nofile=1:2'],
    ),
  ).toEqual({
    ...{ context: '/ctx', dockerfile: '/d/Dockerfile', target: 't', args: { 'A:B': 'c=d', E: '' } },
    ...{ labels: { 'l:x': 'y:z' }, contexts: { 'base:1': 'target:base' }, platforms: ['linux/amd64', 'linux/arm64'] },
    ...{ tags: ['r/a:1', 'r/a:2'], annotations: ['index:a=b'], 'no-cache': true, pull: true },
    ...{ 'extra-hosts': { h: 'fe80::1' }, secret: ['id=s,env=KILN_SECRET_0'], 'no-cache-filter': ['x'] },
    ...{ 'cache-from': ['type=registry,ref=r/c'], 'cache-to': ['type=inline'], output: ['type=tar,dest=-'] },
    ...{ attest: ['type=provenance,mode=max', 'type=sbom,disabled=true'], 'shm-size': '64', ulimits: ['nofile=1:2'] },
  });
  expect(only('--push')).toEqual({ context: '/ctx', output: ['type=registry'] });
  expect(only('--load')).toEqual({ context: '/ctx', output: ['type=docker'] });
});

test('escapes everything that HCL would evaluate', () => {
  const text = '$' + '{x} %' + '{if} $$' + '{y} $z 5%';
  const escaped = '$$' + '{x} %%' + '{if} $$$' + '{y} $z 5%';
  expect(only(`--build-arg=A=${text}`, `--label=${text}=v`, `--tag=${text}`, `--target=${text}`)).toMatchObject({
    ...{ args: { A: escaped }, labels: { [escaped]: 'v' }, tags: [escaped], target: escaped },
  });
});

test('refuses an argument that it does not know', () => {
  expect(() => only('--ssh=default')).toThrow('--ssh has no place in a bake file');
});
