import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { dockerConfig, hiddenPart, hostDockerConfig, mayHaveLogin } from './docker-config.ts';

const LOGIN = { host: 'r.example:5000', username: 'robot', password: 'p:ä ss' };
const auth = Buffer.from('robot:p:ä ss').toString('base64');

test('prefers the build’s logins to the host’s own, which it keeps for other registries', () => {
  const base = { auths: { 'r.example:5000': { auth: 'host' }, other: { auth: 'host' } }, proxies: { default: {} } };
  expect(JSON.parse(dockerConfig([LOGIN], base))).toEqual({
    auths: { 'r.example:5000': { auth }, other: { auth: 'host' } },
    proxies: { default: {} },
  });
});

test('uses Docker’s name for Docker Hub', () => {
  expect(JSON.parse(dockerConfig([{ ...LOGIN, host: 'docker.io' }], {}))).toEqual({
    auths: { 'https://index.docker.io/v1/': { auth } },
  });
});

test('turns off the host’s credential helpers for the build’s registries', () => {
  expect(JSON.parse(dockerConfig([LOGIN], { credHelpers: { other: 'ecr' } }))).toMatchObject({
    credHelpers: { other: 'ecr', 'r.example:5000': '' },
  });
  const withStore = { credsStore: 'pass' } as object;
  expect(JSON.parse(dockerConfig([LOGIN], withStore))).toMatchObject({
    ...{ credsStore: 'pass', credHelpers: { 'r.example:5000': '' } },
  });
});

test('has no logins without a configuration of the host, and rejects an invalid one', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-docker-config-'));
  expect(await hostDockerConfig(undefined)).toEqual({});
  expect(await hostDockerConfig(dir)).toEqual({});
  await writeFile(join(dir, 'config.json'), '{"auths":{"a":{}}}');
  expect(await hostDockerConfig(dir)).toEqual({ auths: { a: {} } });
  await writeFile(join(dir, 'config.json'), '{');
  await expect(hostDockerConfig(dir)).rejects.toThrow(SyntaxError);
  await rm(dir, { recursive: true });
});

test('writes tokens as Docker does, and hides them', () => {
  const logins = [
    { host: 'a.example', identityToken: 'token-a' },
    { host: 'b.example', registryToken: 'token-b' },
  ];
  expect(JSON.parse(dockerConfig(logins, {}))).toEqual({
    auths: { 'a.example': { identitytoken: 'token-a' }, 'b.example': { registrytoken: 'token-b' } },
  });
  expect([...logins, LOGIN].map(hiddenPart)).toEqual(['token-a', 'token-b', 'p:ä ss']);
});

test.each([
  [{ auths: { 'r.example': {} } }, 'r.example', true],
  [{ auths: { 'https://r.example/v1/': {} } }, 'r.example', true],
  [{ auths: { 'r.example:5000': {} } }, 'r.example', false],
  [{ auths: { 'https://index.docker.io/v1/': {} } }, 'docker.io', true],
  [{ credHelpers: { 'r.example': 'ecr' } }, 'r.example', true],
  [{ credHelpers: { 'r.example': '' }, credsStore: 'pass' }, 'r.example', false],
  [{ credsStore: 'pass' }, 'r.example', true],
  [{}, 'r.example', false],
])('mayHaveLogin(%j, %s) returns %s', (config, host, expected) => {
  expect(mayHaveLogin(config, host)).toBe(expected);
});
