import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type ComposeFlags, composeDefinition, composeProject } from './compose-project.ts';

const NO_FLAGS: ComposeFlags = {
  ...{ file: [], profile: [] },
  ...{ 'project-name': undefined, 'project-directory': undefined },
};
const BUILD = { services: [], withDependencies: false, push: false, load: true };

async function dirWith(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-compose-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), content);
  }
  return dir;
}

it('finds the files as docker compose does: with the override, from a directory below, by COMPOSE_FILE', async () => {
  const dir = await dirWith({
    'App.Web/compose.yaml': 'services: { a: {} }',
    'App.Web/compose.override.yaml': 'services: { a: { image: x } }',
    'App.Web/ci.yml': 'name: of-file',
    'App.Web/sub/x': '',
  });
  const at = join(dir, 'App.Web');
  const found = await composeProject(NO_FLAGS, { cwd: join(at, 'sub'), env: {} });
  expect(found).toMatchObject({ name: 'appweb', dir: at });
  expect(found.files).toEqual([join(at, 'compose.yaml'), join(at, 'compose.override.yaml')]);
  expect(found.services.get('a')?.hasImage).toBe(true);
  const env = { COMPOSE_FILE: 'App.Web/compose.yaml:App.Web/ci.yml' };
  expect(await composeProject(NO_FLAGS, { cwd: dir, env })).toMatchObject({ name: 'of-file', dir: at });
  const named = { ...NO_FLAGS, file: ['App.Web/ci.yml'], 'project-directory': '.' };
  expect(await composeProject(named, { cwd: dir, env })).toMatchObject({ dir, files: [join(at, 'ci.yml')] });
  await expect(composeProject(NO_FLAGS, { cwd: dir, env: {} })).rejects.toThrow(
    `no Compose file in ${dir} or above it`,
  );
  await expect(composeProject({ ...NO_FLAGS, file: ['none'] }, { cwd: dir, env: {} })).rejects.toThrow(
    `-f ${join(dir, 'none')}: the Compose file cannot be read: ENOENT`,
  );
});

it('names the project by the flag, the environment, .env and the file, in this order', async () => {
  const cwd = await dirWith({ 'compose.yaml': 'name: Of-File-$N\n', '.env': 'N=1\n' });
  const nameOf = async (env: Record<string, string>, flag?: string) =>
    (await composeProject({ ...NO_FLAGS, 'project-name': flag }, { cwd, env })).name;
  expect(await nameOf({})).toBe('of-file-1');
  expect(await nameOf({ COMPOSE_PROJECT_NAME: '_env' })).toBe('env');
  expect(await nameOf({ COMPOSE_PROJECT_NAME: 'env' }, 'flag')).toBe('flag');
});

const SERVICES = `
services:
  web: { build: ., depends_on: [base.lib] }
  api: { build: ., image: acme/api, depends_on: { db: {} } }
  base.lib: { build: . }
  extra: { build: ., profiles: [ci] }
  db: { image: postgres }
`;
const DEFINITION = {
  group: { default: { targets: ['web', 'api', 'base_lib', 'extra'] } },
  target: {
    ...{ web: { labels: { a: 'b' } }, api: { tags: ['acme/api'] }, base_lib: {}, extra: {} },
    wide: { platforms: ['linux/amd64', 'linux/arm64'] },
  },
};
const project = async (profile: string[] = []) => {
  const cwd = await dirWith({ 'compose.yaml': `name: shop\n${SERVICES}` });
  return await composeProject({ ...NO_FLAGS, profile }, { cwd, env: {} });
};

it('gives images the names and labels of docker compose, and loads them', async () => {
  const { target } = composeDefinition(DEFINITION, await project(), BUILD);
  const labels = { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'web' };
  expect(target.web).toEqual({ labels: { a: 'b', ...labels }, tags: ['shop-web'], output: ['type=docker'] });
  expect(target.api).toMatchObject({ tags: ['acme/api'], output: ['type=docker'] });
  expect(target.base_lib).toMatchObject({
    labels: { ...labels, 'com.docker.compose.service': 'base.lib' },
    tags: ['shop-base.lib'],
  });
  expect(target.wide).not.toHaveProperty('output');
});

it('pushes only images that have a name in the file, and loads none then', async () => {
  const output = ['type=registry'];
  const pushed = { ...DEFINITION, target: { web: { output }, api: { tags: ['acme/api'], output } } };
  const { target } = composeDefinition(pushed, await project(), { ...BUILD, push: true });
  expect(target.api).toMatchObject({ output });
  expect(target.web).not.toHaveProperty('output');
  expect(composeDefinition(DEFINITION, await project(), { ...BUILD, load: false }).target.web).not.toHaveProperty(
    'output',
  );
});

it.each([
  [{}, [], ['web', 'api', 'base_lib']],
  [{}, ['ci'], ['web', 'api', 'base_lib', 'extra']],
  [{ services: ['extra', 'db'] }, [], ['extra']],
  [{ services: ['web'] }, [], ['web']],
  [{ services: ['web', 'api'], withDependencies: true }, [], ['web', 'api', 'base_lib']],
])('builds of %j with profiles %j the services %j', async (build, profiles, expected) => {
  const { group } = composeDefinition(DEFINITION, await project(profiles), { ...BUILD, ...build });
  expect(group?.default?.targets).toEqual(expected);
});

it('refuses a service that the files don’t have', async () => {
  const shop = await project();
  expect(() => composeDefinition(DEFINITION, shop, { ...BUILD, services: ['nope'] })).toThrow(
    'the Compose files have no service nope',
  );
});
