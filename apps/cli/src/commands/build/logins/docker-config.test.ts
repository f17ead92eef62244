import { describe, expect, it } from 'vitest';
import { type Credentials, credentialsIn, helperOf, parseDockerConfig, registryOf } from './docker-config.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const ADA = { username: 'ada', password: 'p:ä ss' };
const AUTH = { auth: base64('ada:p:ä ss') };
const HUB = 'https://index.docker.io/v1/';

function config(value: object) {
  const parsed = parseDockerConfig(JSON.stringify(value));
  if (!parsed) throw new Error('not a configuration');
  return parsed;
}

describe('credentialsIn', () => {
  it.each<[title: string, auths: object, registry: string, expected: Credentials | undefined]>([
    ['base64', { 'r.example:5000': AUTH }, 'r.example:5000', ADA],
    ['a user and password', { 'r.example': ADA }, 'r.example', ADA],
    [
      'a password that Docker padded',
      { 'r.example': { auth: base64('ada:pw\0\0') } },
      'r.example',
      { username: 'ada', password: 'pw' },
    ],
    [
      'an identity token beside a user',
      { 'r.example': { auth: base64('ada:'), identitytoken: 't' } },
      'r.example',
      { identityToken: 't' },
    ],
    ['a registry token', { 'r.example': { registrytoken: 't' } }, 'r.example', { registryToken: 't' }],
    ['a URL', { 'https://r.example/v1/': AUTH }, 'r.example', ADA],
    ['a URL with http', { 'http://r.example:5000': AUTH }, 'r.example:5000', ADA],
    ['a path', { 'r.example/group': AUTH }, 'r.example', ADA],
    [
      'the exact key before other forms',
      { 'https://r.example': { auth: base64('x:y') }, 'r.example': AUTH },
      'r.example',
      ADA,
    ],
    ['Docker Hub', { [HUB]: AUTH }, 'docker.io', ADA],
    ['Docker Hub by another name', { 'docker.io': AUTH }, 'docker.io', ADA],
    ['nothing for another port', { 'r.example': AUTH }, 'r.example:443', undefined],
    ['nothing for a part of a name', { 'example.org': AUTH }, 'r.example.org', undefined],
    ['nothing in an entry of a helper', { 'r.example': {} }, 'r.example', undefined],
    ['nothing in an entry that isn’t an object', { 'r.example': 'x' }, 'r.example', undefined],
    ['nothing for a name of every object', {}, 'constructor', undefined],
  ])('reads %s', (_, auths, registry, expected) => {
    expect(credentialsIn(config({ auths }), registry)).toEqual(expected);
  });

  it.each(['hunter22', base64('hunter22'), base64(':hunter22')])('refuses the auth %s without showing it', (auth) => {
    const read = () => credentialsIn(config({ auths: { 'r.example': { auth } } }), 'r.example');
    expect(read).toThrow(new TypeError('auths["r.example"].auth is not the base64 of USER:PASSWORD'));
  });
});

it.each([
  [{ credHelpers: { 'r.example': 'ecr' }, credsStore: 'pass' }, 'r.example', 'ecr'],
  [{ credHelpers: { 'r.example': 'ecr' }, credsStore: 'pass' }, 'other.example', 'pass'],
  [{ credHelpers: { 'r.example': '' }, credsStore: 'pass' }, 'r.example', undefined],
  [{ credHelpers: { [HUB]: 'hub' } }, 'docker.io', 'hub'],
  [{ credHelpers: { 'https://r.example': 'ecr' } }, 'r.example', undefined],
  [{ credsStore: 1 }, 'r.example', undefined],
])('the helper in %j for %s is %s', (value, registry, expected) => {
  expect(helperOf(config(value), registry)).toBe(expected);
});

it.each([
  ['r.example', 'r.example'],
  ['https://r.example:5000/v2/', 'r.example:5000'],
  ['HTTP://r.example', 'r.example'],
  [HUB, 'docker.io'],
  ['registry-1.docker.io', 'docker.io'],
  ['[::1]:5000', '[::1]:5000'],
])('registryOf(%s) returns %s', (key, expected) => {
  expect(registryOf(key)).toBe(expected);
});

it.each(['', '{', '[]', 'null', '"x"'])('%j is no configuration', (text) => {
  expect(parseDockerConfig(text)).toBeUndefined();
});
