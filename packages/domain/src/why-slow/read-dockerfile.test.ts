import { expect, test } from 'vitest';
import { contextSources, readsPath } from './copy-sources.ts';
import { maskValues } from './mask-values.ts';
import { readDockerfile } from './read-dockerfile.ts';
import { imageOf, kindOfStep, readStepName, stepText } from './step-name.ts';
import { timeByKind } from './time-by-kind.ts';

const texts = (dockerfile: string) =>
  readDockerfile(dockerfile).flatMap(({ instructions }) => instructions.map(({ text }) => text));

test('splits a Dockerfile into stages with the names that BuildKit gives them', () => {
  const stages = readDockerfile('ARG V=1\nFROM a AS Build\nRUN x\nFROM --platform=linux/amd64 build\nfrom c as d\n');
  expect(stages.map(({ name, from }) => [name, from])).toEqual([
    [undefined, undefined],
    ['build', 'a'],
    ['stage-1', 'build'],
    ['d', 'c'],
  ]);
  expect(stages[0]?.instructions).toEqual([{ op: 'ARG', text: 'ARG V=1', args: ['V'] }]);
});

test('joins continued lines, and leaves out comments and empty lines within them', () => {
  expect(texts('# c\nRUN a \\\n  # comment\n\n  && b \\  \n  && c\n  RUN d\n')).toEqual(['RUN a && b && c', 'RUN d']);
  expect(texts('# escape=`\nRUN a `\n b\nRUN c:\\\nRUN d')).toEqual(['RUN a b', 'RUN c:\\', 'RUN d']);
});

test('keeps here-documents with their instruction, to the line that ends them', () => {
  const dockerfile =
    'RUN <<A cat <<-"B" >x\none # no comment\nA\n\ttwo\n\tB\nCOPY <<C /c\nthree \\\nC\nRUN echo "<<D" <<<E\nRUN f';
  expect(texts(dockerfile)).toEqual([
    'RUN <<A cat <<-"B" >x\none # no comment\nA\n\ttwo\n\tB',
    'COPY <<C /c\nthree \\\nC',
    'RUN echo "<<D" <<<E',
    'RUN f',
  ]);
});

test.each([
  ['ARG A', ['A']],
  ['ARG A=1 B="x y" C', ['A', 'B', 'C']],
])('knows which arguments %s declares', (text, args) => {
  expect(readDockerfile(text)[0]?.instructions[0]?.args).toEqual(args);
});

test.each<[string, string[], boolean, string[], string[]]>([
  ['COPY a.txt ./sub/* /x/', ['a.txt', 'sub/*'], true, ['a.txt', 'sub/b', 'sub/c/d'], ['b.txt', 'sub', 'a.txt2']],
  ['COPY . /', [''], true, ['anything'], []],
  ['COPY --chown=1:1 --link ["my dir", "/x/"]', ['my dir'], true, ['my dir/a'], ['my']],
  ['ADD ./src/../lib/ "it em" https://x.example/y /', ['lib', 'it em'], true, ['lib/a', 'it em'], ['src/a', 'it']],
  ['COPY $DIR/a b?[cd] /', ['$DIR/a', 'b?[cd]'], false, ['any/thing/a', 'bxc'], ['a', 'bxe']],
  ['COPY --exclude=*.md . /', [''], false, ['x'], []],
  ['RUN --mount=type=bind,source=in,target=/x --network=none make', ['in'], true, ['in/a'], ['out']],
  ['RUN --mount=target=. make', [''], true, ['a'], []],
])('knows what of the context %s reads', (text, patterns, exact, read, unread) => {
  const sources = contextSources(text);
  expect(sources).toEqual({ patterns, exact });
  const reads = readsPath(sources ?? { patterns: [], exact });
  expect(read.filter(reads)).toEqual(read);
  expect(unread.filter(reads)).toEqual([]);
});

test.each([
  'RUN make',
  'COPY --from=build /a /b',
  'ADD https://x.example/y /',
  'COPY <<A /b\nx\nA',
  'RUN --mount=type=cache,target=/c --mount=type=bind,from=build,target=/b --mount=type=secret,id=x make',
  'WORKDIR /x',
])('knows that %s reads nothing of the context', (text) => {
  expect(contextSources(text)).toBeUndefined();
});

test('splits the names of steps, also of builds for several platforms', () => {
  expect(readStepName('[linux/arm/v7 build 2/5] RUN a\nb')).toEqual({
    ...{ platform: 'linux/arm/v7', stage: 'build', number: 2, of: 5, op: 'RUN', text: 'RUN a\nb' },
  });
  expect(readStepName('[linux/amd64 1/2] COPY a b')).toMatchObject({ platform: 'linux/amd64', stage: undefined });
  expect(readStepName('[stage-1 1/2] COPY a b')).toMatchObject({ platform: undefined, stage: 'stage-1' });
  expect(readStepName('[1/2] FROM x')).toMatchObject({ stage: undefined, number: 1, op: 'FROM' });
  expect(readStepName('[internal] load build context')).toBeUndefined();
  expect(stepText('[a 1/2] RUN x')).toBe('RUN x');
  const digest = `sha256:${'a'.repeat(64)}`;
  expect(imageOf(`[1/2] FROM docker.io/library/x:1@${digest}`)).toEqual({ image: 'docker.io/library/x:1', digest });
  expect(imageOf('FROM x:1')).toEqual({ image: 'x:1', digest: undefined });
  expect(imageOf('[1/2] RUN FROM x')).toBeUndefined();
});

test('replaces values of arguments, short ones only as whole words', () => {
  const values = new Map([
    ['V', '1'],
    ['LONG', 'abcd'],
    ['LONGER', 'abcdef'],
    ['EMPTY', ''],
  ]);
  expect(maskValues('RUN a1 1 /1/ 11 xabcdefx abcd$&', values)).toBe(`RUN a1 \${V} /\${V}/ 11 x\${LONGER}x \${LONG}$&`);
});

test('attributes each moment to one kind of work, which add up to the whole', () => {
  const step = (name: string, startedAt: number, completedAt?: number) => ({
    ...{ name, key: '', digest: name, inputs: [], cached: false, startedAt, completedAt },
  });
  const steps = [
    step('[internal] load build context', 110, 120),
    step('[1/3] FROM x', 115, 140),
    step('[2/3] RUN a', 130, 150),
    step('[3/3] RUN b', 145, 160),
    step('exporting to image', 170, 180),
    step('[other] something', 185, 190),
    step('pushing x', 195),
  ];
  expect(timeByKind({ startedAt: 100, endedAt: 200, steps })).toEqual({
    ...{ contextMs: 15, pullMs: 15, runMs: 30, exportMs: 15, idleMs: 25 },
  });
  expect(timeByKind({ startedAt: 5, endedAt: 9, steps: [] })).toMatchObject({ contextMs: 4, idleMs: 0 });
  expect(kindOfStep('[internal] load metadata for x')).toBe('pull');
});
