import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, it, onTestFinished } from 'vitest';
import { collectBake } from './collect-bake.ts';

const NOTHING = { file: [], set: [], flags: [], targets: [] };

async function dirWith(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-collect-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), content);
  }
  return join(dir, 'w');
}

const io = (cwd: string, env: Record<string, string> = {}, stdin = '') => ({ cwd, env, stdin: Readable.from([stdin]) });

it('sends the files that buildx would find, and of the environment only the variables that they name', async () => {
  const cwd = await dirWith({
    'w/docker-bake.hcl':
      'variable "TAG" {\n default = 1 }\nvariable "UNSET" {}\ntarget "web" { args = { NPM_TOKEN = 1 } }\n',
    'w/docker-bake.json': '{"variable":{"OF_JSON":{"default":""}},"target":{}}',
    'w/Dockerfile': 'FROM scratch',
  });
  const env = { TAG: '2', OF_JSON: '3', NPM_TOKEN: 'secret', HOME: '/root' };
  const bake = await collectBake({ ...NOTHING, targets: ['web'], set: ['*.args.A=1', 'web.args.HOME'] }, io(cwd, env));
  expect(Object.keys(bake.files)).toEqual(['docker-bake.json', 'docker-bake.hcl']);
  expect(bake).toMatchObject({ names: [], targets: ['web'], set: ['*.args.A=1', 'web.args.HOME'] });
  expect(bake.variables).toEqual({ TAG: '2', OF_JSON: '3', HOME: '/root' });
});

it('sends what Compose files read, below the directory', async () => {
  const cwd = await dirWith({
    'w/compose.yaml':
      'include: [more.yaml]\nservices:\n  a:\n    image: $IMAGE\n    build: { context: ., args: [LISTED, SET=1] }\n    env_file: [a.env, { path: ../out.env }]\n    extends: { file: base/b.yaml, service: b }\n',
    'w/more.yaml': 'services: { m: { build: { context: ., args: { BARE: , GIVEN: x } } } }\n',
    'w/base/b.yaml': 'services: { b: { image: "b:$TAG" } }\n',
    'w/a.env': 'X=$OF_ENV\n',
    'w/.env': 'IMAGE=i\n',
    'out.env': 'Y=1\n',
  });
  const names = ['IMAGE', 'LISTED', 'SET', 'BARE', 'GIVEN', 'TAG', 'OF_ENV', 'OTHER'];
  const bake = await collectBake(NOTHING, io(cwd, Object.fromEntries(names.map((name) => [name, name]))));
  expect(Object.keys(bake.files).sort()).toEqual(['.env', 'a.env', 'base/b.yaml', 'compose.yaml', 'more.yaml']);
  expect(Object.keys(bake.variables).sort()).toEqual(['BARE', 'IMAGE', 'LISTED', 'OF_ENV', 'TAG']);
});

it('sends named files under names of their own if they are outside, and what comes on standard input', async () => {
  const cwd = await dirWith({ 'docker-bake.hcl': 'target "a" {}', 'w/ci/b.hcl': 'target "b" {}' });
  const file = ['../docker-bake.hcl', 'cwd://ci/b.hcl', '-'];
  const bake = await collectBake({ ...NOTHING, file }, io(cwd, {}, 'target "c" {}'));
  expect(bake.names).toEqual(['outside-0/docker-bake.hcl', 'ci/b.hcl', 'stdin-2']);
  expect(bake.files).toEqual({
    'outside-0/docker-bake.hcl': 'target "a" {}',
    'ci/b.hcl': 'target "b" {}',
    'stdin-2': 'target "c" {}',
  });
});

it('says which file is missing, and that others’ files need buildx here', async () => {
  const cwd = await dirWith({ 'w/x': '' });
  await expect(collectBake({ ...NOTHING, file: ['none.hcl'] }, io(cwd))).rejects.toThrow(
    '--file none.hcl: the file cannot be read',
  );
  await expect(collectBake(NOTHING, io(cwd))).rejects.toThrow(`${cwd} has no bake file: expected compose.yaml, `);
  await expect(collectBake({ ...NOTHING, targets: ['https://x.io/a.git#v1', 'web'] }, io(cwd))).rejects.toThrow(
    'https://x.io/a.git#v1: only docker buildx on this machine can read',
  );
});
