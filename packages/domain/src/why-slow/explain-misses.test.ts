import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AttemptTrace, TracedStep } from './attempt-trace.ts';
import type { Cause, FileChanges } from './cause.ts';
import { explainMisses, firstMiss } from './explain-misses.ts';
import { readDockerfile } from './read-dockerfile.ts';
import { stepText } from './step-name.ts';

const DIGEST = (letter: string) => `sha256:${letter.repeat(64)}`;
const SAME: FileChanges = { state: 'same' };

interface Made {
  readonly dockerfile?: string;
  /** Names of steps, each based on the one before; `!` marks those that were not cached. */
  readonly steps?: readonly string[];
  readonly trace?: Partial<AttemptTrace>;
}

let builds = 0;
/** Makes a trace. A step's digest is new in each, as for steps that depend on a local context. */
function made({ dockerfile, steps = [], trace = {} }: Made): AttemptTrace {
  builds += 1;
  const traced = steps.map((marked, i): TracedStep => {
    const name = marked.replace(/^!/, '');
    const ran = marked !== name;
    return {
      ...{ name, key: stepText(name), digest: `${builds}-${i}`, inputs: i === 0 ? [] : [i - 1], cached: !ran },
      ...(ran && { startedAt: 100 + i, completedAt: 200 + i }),
    };
  });
  const stages = dockerfile === undefined ? undefined : readDockerfile(dockerfile);
  return {
    version: 1,
    ...{
      build: `b${builds}`,
      attempt: 1,
      host: 'h1',
      domain: 'd',
      repo: 'r',
      end: 'succeeded',
      startedAt: 1,
      endedAt: 9,
    },
    ...{ keyId: 'k', noCache: false, cacheScope: 'repo', platforms: [], args: {}, secrets: {} },
    steps: traced,
    stages: stages?.map((stage) => ({
      ...stage,
      instructions: stage.instructions.map((one) => ({ ...one, key: one.text })),
    })),
    ...trace,
  };
}

/** The cause of the first step that missed for a reason of its own. */
function first(now: AttemptTrace, before?: AttemptTrace, files: FileChanges = SAME): Cause | undefined {
  const steps = explainMisses({ trace: now, ...(before && { with: { trace: before, files } }) });
  const at = firstMiss(now, steps);
  return at === undefined ? undefined : steps[at]?.cause;
}

const DOCKERFILE = 'FROM a AS build\nENV E=1\nARG V=1\nRUN one\nCOPY src /src\nRUN --mount=type=cache,target=/c two\n';
const STEPS = [
  '[build 1/4] FROM a',
  '[build 2/4] RUN one',
  '[build 3/4] COPY src /src',
  '[build 4/4] RUN --mount=type=cache,target=/c two',
];
const miss = (index: number) => STEPS.map((name, i) => (i === index ? `!${name}` : name));
const BEFORE = made({ dockerfile: DOCKERFILE, steps: STEPS });

describe('a step that missed', () => {
  test('because of an earlier step points to that', () => {
    const now = made({
      dockerfile: DOCKERFILE,
      steps: STEPS.map((name) => (name.includes('1/4') ? name : `!${name}`)),
    });
    const causes = explainMisses({ trace: now, with: { trace: BEFORE, files: SAME } }).map(({ cause }) => cause);
    expect(causes).toMatchObject([
      { type: 'unknown' },
      { type: 'parent_missed', parent: 0 },
      { type: 'parent_missed', parent: 1 },
    ]);
  });

  test('has an unknown cause if nothing differs, and says what was compared', () => {
    expect(first(made({ dockerfile: DOCKERFILE, steps: miss(3) }), BEFORE)).toEqual({
      type: 'unknown',
      compared: ['instruction', 'settings', 'build_arguments', 'files', 'earlier_steps'],
      notCompared: [],
    });
  });

  test('was evicted if nothing differs and layers of the last build were gone, but not if something was not compared', () => {
    const layers = { lost: 2, of: 3, since: 5 };
    const trace = { layers };
    expect(first(made({ dockerfile: DOCKERFILE, steps: miss(3), trace }), BEFORE)).toEqual({
      type: 'evicted',
      ...layers,
    });
    const unknown = first(made({ dockerfile: DOCKERFILE, steps: miss(3), trace }), BEFORE, {
      state: 'unknown',
      why: 'tree_swept',
    });
    expect(unknown).toMatchObject({ type: 'unknown', notCompared: [{ what: 'files', why: 'tree_swept' }] });
    const none = { layers: { ...layers, lost: 0 } };
    expect(first(made({ dockerfile: DOCKERFILE, steps: miss(3), trace: none }), BEFORE)?.type).toBe('unknown');
  });

  test('names what the host evicted in the meantime', () => {
    const now = made({ dockerfile: DOCKERFILE, steps: miss(3), trace: { layers: { lost: 1, of: 1, since: 5 } } });
    const evictions = [3, 7, 12].map((at) => ({ at, bytes: at, reason: 'budget' }));
    const [, , step] = explainMisses({ trace: now, with: { trace: BEFORE, files: SAME }, evictions });
    expect(step?.cause).toMatchObject({ type: 'evicted', evictions: [{ at: 7 }] });
  });

  test('on another host is the first there, and shows what else differs', () => {
    const now = (args: Record<string, string>) =>
      made({ dockerfile: DOCKERFILE, steps: miss(1), trace: { host: 'h2', args } });
    expect(first(now({}), BEFORE)).toEqual({ type: 'first_on_host' });
    const also = { type: 'build_argument_changed', names: ['V'] };
    expect(first(now({ V: 'x' }), BEFORE)).toEqual({ type: 'first_on_host', also });
  });

  test('is compared regardless of the host in modes that bring their cache along, and never was cached in a fresh builder', () => {
    const mode = (cacheMode: string) =>
      made({ dockerfile: DOCKERFILE, steps: miss(1), trace: { host: 'h2', cacheMode } });
    expect(first(mode('registry'), BEFORE)?.type).toBe('unknown');
    expect(first(mode('fresh'), BEFORE)).toEqual({ type: 'fresh_builder', mode: 'fresh' });
  });

  test('can’t be compared with digests of another key', () => {
    const now = made({ dockerfile: DOCKERFILE, steps: miss(1), trace: { keyId: 'new', args: { V: 'x' } } });
    expect(first(now, BEFORE)).toMatchObject({
      type: 'unknown',
      notCompared: [{ what: 'everything', why: 'other_key' }],
    });
  });

  test('has the same definition if BuildKit’s digest of it is the same, whatever else changed', () => {
    const now = made({ dockerfile: DOCKERFILE, steps: miss(1), trace: { args: { V: 'x' } } });
    const steps = now.steps.map((step, i) => (i === 1 ? { ...step, digest: BEFORE.steps[1]?.digest ?? '' } : step));
    expect(first({ ...now, steps }, BEFORE)?.type).toBe('unknown');
  });

  test('finds the base image at the place of either stage, as BuildKit reports equal steps only once', () => {
    const two = 'FROM a AS x\nRUN one\nFROM a AS y\nRUN two\n';
    const trace = (stage: string, letter: string, mark: string) =>
      made({ dockerfile: two, steps: [`[${stage} 1/2] FROM a@${DIGEST(letter)}`, `${mark}[y 2/2] RUN two`] });
    const moved = { type: 'base_image_moved', image: 'a', from: DIGEST('0'), to: DIGEST('1') };
    expect(first(trace('x', '1', '!'), trace('y', '0', ''))).toMatchObject(moved);
    expect(first(trace('x', '0', '!'), trace('y', '0', ''))?.type).toBe('unknown');
  });

  test('is explained for each platform', () => {
    const steps = (mark: string) => [
      '[linux/amd64 build 1/2] FROM a',
      `${mark}[linux/amd64 build 2/2] RUN one`,
      '[linux/arm64 build 1/2] FROM a',
      `${mark}[linux/arm64 build 2/2] RUN two`,
    ];
    const now = made({ dockerfile: 'FROM a AS build\nRUN one', steps: steps('!') });
    const apart = now.steps.map((step, i) => (i === 2 ? { ...step, inputs: [] } : step));
    const before = made({ dockerfile: 'FROM a AS build\nRUN none', steps: steps('') });
    const causes = explainMisses({ trace: { ...now, steps: apart }, with: { trace: before, files: SAME } });
    expect(causes.map(({ cause }) => cause?.type)).toEqual(['instruction_changed', 'instruction_changed']);
  });
});

describe('without the Dockerfile, of which only BuildKit knows', () => {
  const step = (text: string, mark = '') => [`[1/2] FROM a`, `${mark}[2/2] ${text}`];

  test('a changed text is a changed instruction', () => {
    const now = made({ steps: step('RUN two', '!') });
    expect(first(now, made({ steps: step('RUN one') }))).toEqual({
      type: 'instruction_changed',
      from: 'RUN one',
      to: 'RUN two',
    });
  });

  test('an argument is a cause only if it is seen in the step', () => {
    const args = { trace: { args: { V: 'x' } } };
    const hidden = made({ steps: step('RUN one', '!'), ...args });
    expect(first(hidden, made({ steps: step('RUN one') }))).toMatchObject({
      type: 'unknown',
      notCompared: [{ what: 'settings' }, { what: 'build_arguments', names: ['V'] }],
    });
    const seen = made({ steps: step(`RUN \${V}`, '!'), ...args });
    const other = { ...seen, steps: seen.steps.map((one) => ({ ...one, key: `${one.key}!` })) };
    const before = made({ steps: step(`RUN \${V}`) });
    expect(first(other, before)).toEqual({ type: 'build_argument_changed', names: ['V'] });
  });
});

describe('files', () => {
  const changed = (...paths: string[]): FileChanges => ({
    state: 'differ',
    changes: paths.map((path) => ({ path, change: 'changed' })),
  });

  test('count only below the sources, and the first ten are named', () => {
    const now = made({ dockerfile: DOCKERFILE, steps: miss(2) });
    expect(first(now, BEFORE, changed('srcs/a', 'b'))?.type).toBe('unknown');
    const many = Array.from({ length: 12 }, (_, i) => `src/${i}`);
    expect(first(now, BEFORE, changed('b', ...many))).toMatchObject({
      ...{ type: 'files_changed', changed: 12, paths: { length: 10 } },
    });
    expect(first(now, BEFORE, { state: 'differ', changes: [], cut: true })).toMatchObject({
      notCompared: [{ what: 'files', why: 'large_tree' }],
    });
  });

  test('of an earlier step are the cause if that one was cached, because an even earlier build had them', () => {
    expect(first(made({ dockerfile: DOCKERFILE, steps: miss(3) }), BEFORE, changed('src/a'))).toMatchObject({
      ...{ type: 'files_changed', step: '[build 3/4] COPY src /src' },
    });
  });

  test('are not a certain cause if the sources have variables', () => {
    const dockerfile = 'FROM a\nCOPY $DIR /x';
    const steps = ['[1/2] FROM a', `![2/2] COPY \${DIR} /x`];
    const before = made({ dockerfile, steps: steps.map((name) => name.replace('!', '')) });
    expect(first(made({ dockerfile, steps }), before, changed('a'))).toMatchObject({
      notCompared: [{ what: 'files', why: 'variable_sources' }],
    });
  });
});

test('the one edit of a Dockerfile is the cause of the first step after it, whatever the Dockerfile', () => {
  const line = fc.constantFrom('RUN', 'COPY', 'WORKDIR', 'ENV', 'ARG', 'LABEL');
  const lines = fc.array(line, { minLength: 1, maxLength: 12 });
  const counted = (text: string) => /^(?:RUN|COPY|WORKDIR)/.test(text);
  fc.assert(
    fc.property(lines, fc.nat(), (ops, pick) => {
      const texts = ops.map((op, i) => (op === 'ARG' ? `ARG A${i}=1` : `${op} x${i} y${i}`));
      const edits = texts.flatMap((text, i) => (/^LABEL/.test(text) ? [] : [i]));
      const edit = edits[pick % Math.max(1, edits.length)];
      if (edit === undefined) return;
      const edited = texts.map((text, i) => (i === edit ? `${text}z` : text));
      // ENV and ARG are part of the next RUN only.
      const isOwn = counted(texts[edit] ?? '');
      const missed = edited.findIndex((text, i) => i >= edit && (isOwn ? counted(text) : text.startsWith('RUN')));
      if (missed < 0) return;
      const dockerfile = (all: readonly string[]) => ['FROM a', ...all].join('\n');
      const of = texts.filter(counted).length + 1;
      const steps = (all: readonly string[], mark: string) => [
        `[1/${of}] FROM a`,
        ...all.flatMap((text, i) => {
          if (!counted(text)) return [];
          const number = all.slice(0, i).filter(counted).length + 2;
          return [`${i >= missed ? mark : ''}[${number}/${of}] ${text}`];
        }),
      ];
      const before = made({ dockerfile: dockerfile(texts), steps: steps(texts, '') });
      const now = made({ dockerfile: dockerfile(edited), steps: steps(edited, '!') });
      expect(first(now, before)).toEqual({ type: 'instruction_changed', from: texts[edit], to: edited[edit] });
    }),
  );
});

describe('what an ADD of a URL fetches', () => {
  const ADD = '[1/2] ADD http://x.io/data /data';
  const dockerfile = 'FROM scratch\nADD http://x.io/data /data\nCOPY a /\n';
  /** @param content digest of what the URL returned */
  const build = (marks: readonly [string, string], content?: string, digest?: string) => {
    const { steps, ...trace } = made({
      dockerfile,
      steps: [`!${ADD}`, `${marks[0]}${ADD}`, `${marks[1]}[2/2] COPY a /`],
    });
    const known = content === undefined ? {} : { contents: [content] };
    const same = (i: number) => (digest === undefined ? {} : { digest: `${digest}-${i}` });
    return { ...trace, steps: steps.map((step, i) => ({ ...step, ...(step.name === ADD && known), ...same(i) })) };
  };
  const causes = (before: AttemptTrace, now: AttemptTrace) =>
    explainMisses({ trace: now, with: { trace: before, files: SAME } }).map(({ cause }) => cause);

  test('is no step of the Dockerfile, although BuildKit names it like one and does it in each build', () => {
    const [before, now] = [build(['!', '!']), build(['', ''])];
    const steps = explainMisses({ trace: now, with: { trace: before, files: SAME } });
    expect(steps.map(({ name, state, cause }) => [name, state, cause])).toEqual([
      [ADD, 'cached', undefined],
      ['[2/2] COPY a /', 'cached', undefined],
    ]);
  });

  test('is not known to have changed, and said not to be compared, if it was not recorded', () => {
    const unknown = { type: 'unknown', notCompared: [{ what: 'remote_content', why: 'not_recorded' }] };
    const child = { type: 'parent_missed', parent: 0 };
    expect(causes(build(['', '']), build(['!', '!']))).toMatchObject([
      { ...unknown, compared: ['instruction'] },
      child,
    ]);
    expect(causes(build(['', '']), build(['!', '!'], 'sha256:2'))).toMatchObject([unknown, child]);
    // Without a local context the digests of the steps are the same.
    expect(causes(build(['', ''], undefined, 'd'), build(['!', '!'], undefined, 'd'))).toMatchObject([unknown, child]);
  });

  test.each([undefined, 'd'])(
    'is the cause if it has changed, also where the digests of all steps are %s',
    (digest) => {
      const [before, now] = [build(['', ''], 'sha256:1', digest), build(['!', '!'], 'sha256:2', digest)];
      expect(causes(before, now)).toEqual([
        { type: 'remote_content_changed', url: 'http://x.io/data', from: 'sha256:1', to: 'sha256:2' },
        { type: 'parent_missed', parent: 0 },
      ]);
      const same = causes(before, build(['!', '!'], 'sha256:1', digest))[0];
      expect(same).toMatchObject({ type: 'unknown', notCompared: [] });
      expect(same).toMatchObject({ compared: expect.arrayContaining(['instruction', 'remote_content']) });
    },
  );
});
