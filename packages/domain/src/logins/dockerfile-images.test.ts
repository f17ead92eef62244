// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables are those of Dockerfiles
import { cpuMs } from '@kiln/runtime/testing';
import { expect, test } from 'vitest';
import { imagesOf } from './dockerfile-images.ts';
import { registriesOf } from './registries.ts';

const CASES: [title: string, dockerfile: string, images: string[], args?: Record<string, string>][] = [
  [
    'bases, without scratch and its own stages',
    'FROM r.example/a:1 AS Build\nFROM scratch\nFROM build\n',
    ['r.example/a:1'],
  ],
  ['a base with a platform', 'from --platform=$BUILDPLATFORM r.example/a as b', ['r.example/a']],
  ['the frontend', '# syntax=r.example/dockerfile:1\nFROM scratch', ['r.example/dockerfile:1']],
  [
    'the frontend of a build argument',
    '# syntax=x/y\nFROM scratch',
    ['r.example/f'],
    { BUILDKIT_SYNTAX: 'r.example/f' },
  ],
  [
    'images from which files are copied or mounted',
    'FROM a AS b\nCOPY --chown=1 --from=r.example/c /x /y\nCOPY --from=b /x /y\nCOPY --from=0 /x /y\nRUN --network=none --mount=type=bind,from=r.example/m,target=/m --mount=type=cache,target=/c make --from=no',
    ['a', 'r.example/c', 'r.example/m'],
  ],
  ['arguments with defaults', 'ARG R=r.example V="1"\nARG IMAGE=${R}/app\nFROM $IMAGE:${V}', ['r.example/app:1']],
  ['build arguments', 'ARG R=r.example\nARG T\nFROM ${R}/app:$T', ['s.example/app:2'], { R: 's.example', T: '2' }],
  ['build arguments only of what is declared', 'FROM ${R:-r.example}/app', ['r.example/app'], { R: 's.example' }],
  [
    'arguments of a stage aren’t those of bases',
    'FROM a\nARG R=s.example\nFROM ${R:-r.example}/b',
    ['a', 'r.example/b'],
  ],
  [
    'other values',
    'ARG A=1\nFROM ${A:+r.example/x}\nFROM ${B-r.example/${A}}\nFROM r.example/c-${TARGETARCH}',
    ['r.example/x', 'r.example/1', 'r.example/c-x'],
  ],
  ['nothing that isn’t known', 'ARG A=r.example/x\nFROM ${A%/x}/y\nFROM ${A\nFROM $\nCOPY --from=$A /x /y', []],
  ['continued lines with comments', 'FROM \\\n# no\n\n  r.example/a \\ \n AS b\nFROM b', ['r.example/a']],
  ['another escape character', '# escape=`\nFROM `\nr.example/a', ['r.example/a']],
  [
    'nothing in heredocs',
    'FROM a\nRUN <<EOF cat <<-"END"\nFROM no.example/x\nEOF\n\tFROM no.example/y\n\tEND\nCOPY <<E /f\nFROM no.example/z\nE\nRUN echo "a <<EOF b" <<<EOF\nFROM b',
    ['a', 'b'],
  ],
  [
    'with CRLF and a byte order mark',
    '\ufeff# syntax=f\r\nFROM r.example/a\r\nRUN <<EOF\r\nFROM x\r\nEOF\r\nFROM b\r\n',
    ['f', 'r.example/a', 'b'],
  ],
  ['nothing in an empty file', '', []],
];

test.each(CASES)('an image is found: %s', (_, dockerfile, images, args = {}) => {
  expect(imagesOf(dockerfile, args)).toEqual(images);
});

test('an image that a named context replaces is left out', () => {
  const dockerfile = 'FROM base\nFROM r.example/a:1\nCOPY --from=Lib /x /x';
  expect(imagesOf(dockerfile, {}, ['base', 'lib'])).toEqual(['r.example/a:1']);
});

test('registries are named once, and as references name them', () => {
  const images = [
    'a',
    'docker.io/x/y',
    'index.docker.io/a/b',
    'R.example:5000/a:1',
    'R.example:5000/b@sha256:0',
    'localhost/a',
    'UPPER',
  ];
  expect(registriesOf(images)).toEqual(['docker.io', 'R.example:5000', 'localhost']);
});

test('takes no longer for a hostile text than for any other', async () => {
  for (const text of [
    `FROM ${'${A:-'.repeat(5_000)}`,
    `FROM ${'${A:-'.repeat(5_000)}${'}'.repeat(5_000)}`,
    `RUN ${'<<A '.repeat(20_000)}`,
    'FROM \\\n'.repeat(50_000),
    `#${' '.repeat(200_000)}`,
  ]) {
    expect(await cpuMs(() => imagesOf(text, {}))).toBeLessThan(1_000);
  }
});
