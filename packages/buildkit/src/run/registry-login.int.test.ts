import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab, removeImages, until } from '../testing/lab.ts';
import { type PrivateRegistry, startPrivateRegistry } from '../testing/private-registry.ts';

let shared: Lab;
let registry: PrivateRegistry;
let configDir: string;
const pushed: string[] = [];
beforeAll(async () => {
  registry = await startPrivateRegistry();
  // The host's own logins, none of which is valid here.
  configDir = await mkdtemp(join(tmpdir(), 'kiln-docker-config-'));
  const bad = { auth: Buffer.from(`${registry.username}:wrong`).toString('base64') };
  await writeFile(join(configDir, 'config.json'), JSON.stringify({ auths: { [registry.host]: bad } }));
  shared = await lab({ dockerConfigDir: configDir });
});
afterAll(async () => {
  await removeImages(pushed);
  await shared[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  await rm(configDir, { recursive: true });
});

const small = (text: string) => `${FROM} AS build\nRUN echo ${text} > /f\nFROM scratch\nCOPY --from=build /f /f`;
const login = () => ({ host: registry.host, username: registry.username, password: registry.password });
const push = (tag: string) => ({ output: { type: 'push' }, tags: [tag] });
const tagOf = (name: string) => {
  const tag = `${registry.host}/${name}`;
  pushed.push(tag);
  return tag;
};

test('pushes with the build’s login, and fails with the host’s wrong one', async () => {
  const tag = tagOf('team/app:1');
  const refused = await begin(shared.builder, { dockerfile: small('login'), spec: push(tag) }).outcome;
  const said = (whose: string) => expect.stringContaining(`registry ${registry.host} refused the ${whose}`);
  const ofHost = said('login of the host’s own configuration: run docker login');
  expect(refused).toMatchObject({ end: 'failed', failure: { code: 'push_refused', message: ofHost } });
  expect(await registry.tags('team/app')).toEqual([]);
  const wrong = { ...login(), password: 'opensesame-0000', whose: 'client' as const };
  const build = { dockerfile: small('login'), spec: push(tag) };
  const tried = await begin(shared.builder, { ...build, registryLogins: [wrong] }).outcome;
  expect(tried.failure).toMatchObject({ code: 'push_refused', message: said('client’s login (user robot)') });
  const { outcome } = begin(shared.builder, { ...build, registryLogins: [login()] });
  expect(await outcome).toMatchObject({ end: 'succeeded', result: { pushed: [tag] } });
  expect(await registry.tags('team/app')).toEqual(['1']);
});

test('pulls a base image with the build’s login', async () => {
  const tag = tagOf('team/base:1');
  await begin(shared.builder, { dockerfile: small('base'), spec: push(tag), registryLogins: [login()] }).outcome;
  await removeImages([tag]);
  const build = {
    dockerfile: `FROM ${tag} AS base\n${FROM}\nCOPY --from=base /f /g\nRUN cat /g # ${registry.host}`,
  };
  const refused = await begin(shared.builder, build).outcome;
  expect(refused).toMatchObject({
    end: 'failed',
    failure: { code: 'base_image_unavailable', message: expect.stringContaining(`registry ${registry.host} refused`) },
  });
  const allowed = begin(shared.builder, { ...build, registryLogins: [login()] });
  expect(await allowed.outcome).toMatchObject({ end: 'succeeded' });
  expect(allowed.output()).toContain('base\n');
});

test('keeps the login in a file of the run, out of the log, and removes it after the run', async () => {
  const runs = join(shared.options.scratchDir, 'runs');
  const auth = Buffer.from(`${registry.username}:${registry.password}`).toString('base64');
  const build = begin(shared.builder, {
    dockerfile: `${FROM}\nARG ECHO\nRUN ls /run/secrets $HOME/.docker 2>&1; env; echo "$ECHO" && sleep 2`,
    spec: { buildArgs: { ECHO: `${registry.password} ${auth} ${Math.random()}` } },
    registryLogins: [login()],
  });
  const file = join(runs, `${build.id}-1`, 'own', 'docker', 'config.json');
  await until(() => build.output().includes('***'));
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ auths: { [registry.host]: { auth } } });
  expect([(await stat(file)).mode & 0o777, (await stat(join(file, '..'))).mode & 0o777]).toEqual([0o600, 0o700]);
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  expect(JSON.stringify(build.records)).not.toMatch(new RegExp(`${registry.password}|${auth.slice(8, -4)}`));
  expect(build.output()).not.toContain('DOCKER_CONFIG');
  expect(await readdir(runs)).toEqual([]);
});
