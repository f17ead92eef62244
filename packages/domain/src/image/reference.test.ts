import { cpuMs } from '@kiln/runtime/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseReference, repositoryName, splitReference, taggedName } from './reference.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}`;

describe('splitReference', () => {
  test.each([
    ['app', { name: 'app' }],
    ['app:1', { name: 'app', tag: '1' }],
    ['r.example.org:5000/app', { name: 'r.example.org:5000/app' }],
    ['r.example.org:5000/app:1', { name: 'r.example.org:5000/app', tag: '1' }],
    [`app@${DIGEST}`, { name: 'app', digest: DIGEST }],
    [`r.example.org:5000/app:1@${DIGEST}`, { name: 'r.example.org:5000/app', tag: '1', digest: DIGEST }],
    ['', { name: '' }],
  ])('splits %s as it is written', (text, parts) => {
    expect(splitReference(text)).toEqual(parts);
  });
});

describe('parseReference', () => {
  test.each([
    ['app', 'docker.io/library/app'],
    ['team/app:1', 'docker.io/team/app'],
    ['docker.io/app', 'docker.io/library/app'],
    ['docker.io/docker/dockerfile', 'docker.io/docker/dockerfile'],
    ['index.docker.io/app', 'docker.io/library/app'],
    [`index.docker.io/docker/dockerfile:1@${DIGEST}`, 'docker.io/docker/dockerfile'],
    ['r.example.org/team/app:1', 'r.example.org/team/app'],
    ['r.example.org:5000/app', 'r.example.org:5000/app'],
    ['R.Example.org/app', 'R.Example.org/app'],
    ['REG/app', 'REG/app'],
    ['localhost/app:2', 'localhost/app'],
    ['localhost:5000/app', 'localhost:5000/app'],
    ['reg:5000/app', 'reg:5000/app'],
    ['10.1.0.7:5000/app', '10.1.0.7:5000/app'],
    ['[fd00::1]:5000/app', '[fd00::1]:5000/app'],
    ['a/b/c/d', 'docker.io/a/b/c/d'],
    ['a_b/c__d/e---f.g', 'docker.io/a_b/c__d/e---f.g'],
  ])('completes %s to %s', (text, name) => {
    const reference = parseReference(text);
    expect(reference && repositoryName(reference)).toBe(name);
  });

  test('keeps tag and digest as they are written', () => {
    expect(parseReference(`r.example.org/app:V1.0_x-y@${DIGEST}`)).toEqual({
      domain: 'r.example.org',
      path: 'app',
      tag: 'V1.0_x-y',
      digest: DIGEST,
    });
    expect(parseReference('app')).toEqual({ domain: 'docker.io', path: 'library/app' });
  });

  test.each([
    '',
    '/',
    ':1',
    'app:',
    'app:.1',
    `app:${'a'.repeat(129)}`,
    'App',
    'team/App',
    'app/',
    '/app',
    'a//b',
    'a___b',
    'a..b',
    '-a',
    'a-',
    'r.example.org:port/app',
    'r.example.org:123456/app',
    'r_x.example.org/app',
    '-r.example.org/app',
    'r..example.org/app',
    'app@sha256:00',
    'app@sha256',
    `app@${DIGEST}@${DIGEST}`,
    `app@1sha:${'0'.repeat(64)}`,
    'app:1:2',
    'ap p',
    'app\n',
    'https://r.example.org/app',
  ])('returns undefined for %j', (text) => {
    expect(parseReference(text)).toBeUndefined();
  });
});

test('taggedName adds the tag latest to a reference without one', () => {
  const full = (text: string) => {
    const reference = parseReference(text);
    return reference && taggedName(reference);
  };
  expect(full('app')).toBe('docker.io/library/app:latest');
  expect(full('r.example.org:5000/app:2')).toBe('r.example.org:5000/app:2');
});

describe('with any reference of the grammar', () => {
  const alnum = fc.stringMatching(/^[a-z0-9]{1,4}$/);
  const component = fc
    .tuple(alnum, fc.array(fc.tuple(fc.constantFrom('.', '_', '__', '-', '--'), alnum), { maxLength: 2 }))
    .map(([first, rest]) => first + rest.flat().join(''));
  const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((all) => all.join('/'));
  const host = fc.constantFrom('localhost', 'r.example.org', 'R.Example.org', 'REG', '127.0.0.1', '[::1]', 'a-b.c');
  const domain = fc.tuple(host, fc.constantFrom('', ':5000')).map(([name, port]) => name + port);
  const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}$/), { nil: undefined });
  const digest = fc.option(fc.constant(DIGEST), { nil: undefined });
  const written = (name: string, tag?: string, digest?: string) =>
    name + (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
  const isDefined = <T>(value: T | undefined): value is T => value !== undefined;

  test('finds the domain, path, tag and digest that it was made of', () => {
    fc.assert(
      fc.property(domain, path, tag, digest, (domain, path, tag, digest) => {
        expect(parseReference(written(`${domain}/${path}`, tag, digest))).toEqual({
          ...{ domain, path },
          ...(tag !== undefined && { tag }),
          ...(digest !== undefined && { digest }),
        });
      }),
    );
  });

  test('gives the same for its own full name', () => {
    fc.assert(
      fc.property(fc.option(domain, { nil: undefined }), path, tag, digest, (domain, path, tag, digest) => {
        const reference = parseReference(written(domain === undefined ? path : `${domain}/${path}`, tag, digest));
        fc.pre(isDefined(reference));
        expect(parseReference(written(repositoryName(reference), reference.tag, reference.digest))).toEqual(reference);
      }),
    );
  });

  test('returns undefined or well-formed parts for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'aA0.:/@-_[]é ') }), (text) => {
        const reference = parseReference(text);
        if (!reference) return;
        expect(reference.domain).toMatch(/^[a-zA-Z0-9[\]:.-]+$/);
        expect(reference.path).toMatch(/^[a-z0-9][a-z0-9._/-]*[a-z0-9]$|^[a-z0-9]$/);
        expect(parseReference(taggedName(reference))).toBeDefined();
      }),
    );
  });
});

test('takes no longer for a hostile text than for any other', async () => {
  for (const text of [
    'a-'.repeat(100_000),
    `a${'_'.repeat(200_000)}b/`,
    `${'a.'.repeat(100_000)}/b`,
    `x@${'a+'.repeat(100_000)}`,
  ]) {
    expect(await cpuMs(() => parseReference(text))).toBeLessThan(1_000);
  }
});
