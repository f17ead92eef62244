import { describe, expect, test } from 'vitest';
import { emulatedPlatforms, normalPlatform } from './platform.ts';
import { type PlatformOptions, runPlatforms } from './run-platforms.ts';

const BOTH = ['linux/amd64', 'linux/arm64'];

function runs(dockerfile: string, more: Partial<PlatformOptions> = {}) {
  return runPlatforms(dockerfile, { target: undefined, buildArgs: {}, platforms: BOTH, ...more });
}

describe('a build needs a host of its platforms', () => {
  test.each<[string, string, Partial<PlatformOptions>, readonly string[]]>([
    ['if it runs something', 'FROM debian\nRUN make', {}, BOTH],
    ['only those', 'FROM debian\nRUN make', { platforms: ['linux/aarch64'] }, ['linux/arm64']],
    ['not if it only copies', 'FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY site /', {}, []],
    [
      'not if it cross-compiles',
      'FROM --platform=$BUILDPLATFORM golang AS build\nARG TARGETARCH\nRUN GOARCH=$TARGETARCH go build\nFROM scratch\nCOPY --from=build /app /',
      {},
      [],
    ],
    [`with \${BUILDPLATFORM} in quotes`, `FROM --platform="\${BUILDPLATFORM}" golang\nRUN make`, {}, []],
    ['if a stage is for $TARGETPLATFORM', 'FROM --platform=$TARGETPLATFORM debian\nRUN make', {}, BOTH],
    ['if a stage that it copies from runs', 'FROM debian AS a\nRUN make\nFROM scratch\nCOPY --from=a / /', {}, BOTH],
    ['if that is named by its number', 'FROM debian\nRUN make\nFROM scratch\nCOPY --link --from=0 / /', {}, BOTH],
    [
      'if a stage that it mounts runs',
      'FROM debian AS a\nRUN make\nFROM --platform=$BUILDPLATFORM debian\nRUN --mount=type=bind,from=a,target=/a true',
      {},
      BOTH,
    ],
    ['not if that stage isn’t needed', 'FROM debian AS a\nRUN make\nFROM scratch\nCOPY x /', {}, []],
    ['of its target', 'FROM debian AS Test\nRUN make\nFROM scratch\nCOPY x /', { target: 'test' }, BOTH],
    ['not of another target', 'FROM scratch AS a\nCOPY x /\nFROM debian\nRUN make', { target: 'a' }, []],
    [
      'a stage on another has its platform',
      'FROM --platform=$BUILDPLATFORM debian AS base\nFROM base AS build\nRUN make\nFROM scratch\nCOPY --from=build /x /',
      {},
      [],
    ],
    ['if the base of a stage runs', 'FROM debian AS base\nRUN make\nFROM base\nCOPY x /', {}, BOTH],
    ['a certain one', 'FROM --platform=linux/x86_64 debian\nRUN make', { platforms: ['linux/arm64'] }, ['linux/amd64']],
    [
      'by arguments before the first FROM',
      `ARG BASE=stage\nARG P=linux/s390x\nFROM --platform=$P debian AS stage\nRUN make\nFROM \${BASE}\nCOPY x /`,
      {},
      ['linux/s390x'],
    ],
    [
      'by the build’s arguments',
      `ARG BASE=scratch\nFROM debian AS a\nRUN make\nFROM \${BASE:-scratch}\nCOPY x /`,
      { buildArgs: { BASE: 'a' } },
      BOTH,
    ],
    ['with BuildKit’s frontend', '# syntax=docker/dockerfile:1\nFROM debian\nRUN make', {}, BOTH],
    ['with RUN in a here-document', 'FROM scratch\nCOPY <<EOF /x\nRUN make\nEOF', {}, []],
    [
      'not of a stage that a context replaces',
      'FROM debian AS a\nRUN make\nFROM scratch\nCOPY --from=a / /',
      { contexts: new Set(['a']) },
      [],
    ],
    ['in lower case', 'from debian as a\nrun make\nfrom scratch\ncopy --from=A / /', {}, BOTH],
  ])('%s', (_, dockerfile, more, expected) => {
    expect(runs(dockerfile, more)).toEqual(expected);
  });
});

describe('what a build runs is not known', () => {
  test.each<[string, string, Partial<PlatformOptions>]>([
    ['with another frontend', '# syntax=example.org/frontend\nFROM debian\nRUN make', {}],
    ['if a base is a variable without a value', 'ARG BASE\nFROM debian AS a\nRUN make\nFROM $BASE\n', {}],
    ['if a platform is one', 'FROM --platform=$OTHER debian\nRUN make', {}],
    ['if a platform is invalid', 'FROM --platform=x debian\nRUN make', {}],
    ['if a source is a variable', 'FROM debian AS a\nRUN make\nFROM scratch\nCOPY --from=$A / /', {}],
    ['if there is no such target', 'FROM scratch', { target: 'x' }],
    ['without any stage', 'ARG X', {}],
    ['if BuildKit would modify the variable', `ARG B=a\nFROM debian AS a\nRUN make\nFROM \${B%x}`, {}],
  ])('%s', (_, dockerfile, more) => {
    expect(runs(dockerfile, more)).toBeUndefined();
  });
});

test.each([
  ['linux/aarch64', 'linux/arm64'],
  ['linux/arm64/v8', 'linux/arm64'],
  ['linux/x86_64', 'linux/amd64'],
  ['linux/amd64/v2', 'linux/amd64/v2'],
  ['linux/arm', 'linux/arm/v7'],
  ['linux/arm/v6', 'linux/arm/v6'],
  ['windows/amd64', 'windows/amd64'],
])('the platform %s is %s', (given, expected) => {
  expect(normalPlatform(given)).toBe(expected);
});

test.each([
  [['linux/amd64', 'linux/amd64/v2', 'linux/386'], []],
  [
    ['linux/amd64', 'linux/arm64', 'linux/386', 'linux/arm/v7'],
    ['linux/arm64', 'linux/arm/v7'],
  ],
  [['linux/arm64', 'linux/arm/v7', 'linux/amd64'], ['linux/amd64']],
  [['linux/riscv64'], []],
  [[], []],
])('a host of %j emulates %j', (platforms, emulated) => {
  expect(emulatedPlatforms(platforms)).toEqual(emulated);
});
