import { cpuMs } from '@kiln/runtime/testing';
import { expect, test } from 'vitest';
import { refusedFrontend, repositoryOf, syntaxOf } from './frontend.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}`;
const ALLOWED = ['docker.io/docker/dockerfile'];

test.each([
  ['FROM scratch', undefined],
  ['', undefined],
  ['# syntax=evil/x\nFROM scratch', 'evil/x'],
  ['#syntax=evil/x', 'evil/x'],
  ['#  SynTax \t=  evil/x:1 --flag  \r\nFROM scratch', 'evil/x:1 --flag'],
  ['\ufeff# syntax=evil/x', 'evil/x'],
  ['#!/bin/sh\n# syntax=evil/x', 'evil/x'],
  ['# escape=`\n# check=skip=all\n# syntax=evil/x', 'evil/x'],
  ['# unknown=1\n# syntax=evil/x', 'evil/x'],
  ['// syntax=evil/x\n{}', 'evil/x'],
  ['#!x\n//syntax = evil/x', 'evil/x'],
  ['{"a": [1], "syntax": "evil/x"}', 'evil/x'],
  ['  {"syntax": "evil/x"}\n', 'evil/x'],
  ['{"syntax": 1}', undefined],
  ['{"syntax": "evil/x"', undefined],
  // After a line that isn't a directive it is a comment.
  ['# a comment\n# syntax=evil/x', undefined],
  ['\n# syntax=evil/x', undefined],
  ['FROM scratch\n# syntax=evil/x', undefined],
  ['# syntax=\n# syntax=evil/x', undefined],
  ['//x\n# syntax=evil/x', undefined],
])('syntaxOf(%j) returns %j', (dockerfile, named) => {
  expect(syntaxOf(dockerfile)).toBe(named);
});

test.each([
  ['docker/dockerfile', 'docker.io/docker/dockerfile'],
  ['docker/dockerfile:1.7', 'docker.io/docker/dockerfile'],
  [`docker.io/docker/dockerfile@${DIGEST}`, 'docker.io/docker/dockerfile'],
  [`index.docker.io/docker/dockerfile:1@${DIGEST}`, 'docker.io/docker/dockerfile'],
  ['dockerfile', 'docker.io/library/dockerfile'],
  ['localhost/docker/dockerfile', 'localhost/docker/dockerfile'],
  ['evil.example:5000/docker/dockerfile:1', 'evil.example:5000/docker/dockerfile'],
  ['evil:5000/x', 'evil:5000/x'],
  ['docker/dockerfile-upstream:master', 'docker.io/docker/dockerfile-upstream'],
  ['docker/dockerfile/x', 'docker.io/docker/dockerfile/x'],
  ['docker/dockerfile@sha256:00', undefined],
  ['docker/Dockerfile', undefined],
])('repositoryOf(%s) returns %s', (image, repository) => {
  expect(repositoryOf(image)).toBe(repository);
});

test('refusedFrontend returns a frontend that isn’t allowed, and the build argument takes precedence over the Dockerfile', () => {
  const refused = (dockerfile: string | undefined, buildArgs = {}, allowed: 'any' | string[] = ALLOWED) =>
    refusedFrontend(dockerfile, buildArgs, allowed);
  expect(refused('FROM scratch')).toBeUndefined();
  expect(refused('# syntax=docker/dockerfile:1\nFROM scratch')).toBeUndefined();
  expect(refused('# syntax=docker/dockerfile:1\nFROM scratch', {}, [])).toBe('docker/dockerfile:1');
  expect(refused('# syntax=evil/x:1 arg')).toBe('evil/x:1');
  expect(refused('# syntax=evil/x:1', {}, 'any')).toBeUndefined();
  expect(refused('FROM scratch', { BUILDKIT_SYNTAX: ' evil/x arg' })).toBe('evil/x');
  expect(refused(undefined, { BUILDKIT_SYNTAX: 'evil/x' })).toBe('evil/x');
  expect(refused('# syntax=evil/x', { BUILDKIT_SYNTAX: 'docker/dockerfile:1' })).toBeUndefined();
  // Never allowed: BuildKit would look for an image without a name.
  expect(refused('FROM scratch', { BUILDKIT_SYNTAX: '' })).toBe('');
});

test('syntaxOf takes no longer for a hostile text than for any other', async () => {
  for (const text of [
    `#${' '.repeat(200_000)}`,
    `# ${'a'.repeat(200_000)}`,
    `#a=${' '.repeat(200_000)}x`,
    '#a=b\n'.repeat(50_000),
  ]) {
    expect(await cpuMs(() => syntaxOf(text))).toBeLessThan(1_000);
  }
});
