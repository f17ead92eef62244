import { GitServer } from '@kiln/git/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab, type TestBuild } from '../testing/lab.ts';

/** No registry answers at this address: a build that contacts it is trying to run the frontend. */
const EVIL = '127.0.0.1:9/evil/frontend:1';
const EXPECTED = 'expected docker.io/docker/dockerfile';

let open: Lab;
let kept: Lab;
let server: GitServer;
let commit: string;
beforeAll(async () => {
  server = await GitServer.start();
  commit = server.commit({
    Dockerfile: `${FROM}\nRUN echo benign ${Math.random()}`,
    'evil/Dockerfile': `# syntax=${EVIL}\n${FROM}`,
  });
  [open, kept] = await Promise.all([lab(), lab({ frontends: ['docker.io/docker/dockerfile'] })]);
});
afterAll(async () => {
  for (const one of [open, kept, server]) await one?.[Symbol.asyncDispose]();
});

const run = async ({ builder }: Lab, build: TestBuild) => begin(builder, build).outcome;
const git = (text: string | undefined, subdir?: string): TestBuild => ({
  source: {
    ...{ type: 'git', url: server.url(), commit, subdir },
    dockerfile: async () => (text === undefined ? undefined : { text }),
  },
});

describe('the engine’s own BuildKit, which can’t restrict frontends', () => {
  test.each([
    ['# syntax=', `# syntax=${EVIL}\n${FROM}`],
    ['// syntax=', `// syntax=${EVIL}\n${FROM}`],
    ['JSON', JSON.stringify({ syntax: EVIL })],
    ['a line behind a shebang', `#!/usr/bin/env x\n#syntax=${EVIL}\n${FROM}`],
  ])('runs nothing of what %s names: the build doesn’t begin', async (_form, dockerfile) => {
    const refused = begin(kept.builder, { dockerfile });
    expect((await refused.outcome).failure).toEqual({
      code: 'frontend_refused',
      message: `# syntax of Dockerfile: got "${EVIL}", ${EXPECTED}`,
    });
    expect(refused.records).toEqual([]);
  });

  test('would run the frontends that # syntax= and BUILDKIT_SYNTAX name', async () => {
    const dockerfile = `${FROM}\nRUN true`;
    const spec = { buildArgs: { BUILDKIT_SYNTAX: EVIL } };
    for (const build of [{ dockerfile: `# syntax=${EVIL}\n${dockerfile}` }, { dockerfile, spec }]) {
      expect((await run(open, build)).failure?.message).toContain('127.0.0.1:9');
    }
    expect((await run(kept, { dockerfile, spec })).failure).toEqual({
      code: 'frontend_refused',
      message: `buildArgs.BUILDKIT_SYNTAX: got "${EVIL}", ${EXPECTED}`,
    });
  });

  test('builds with allowed frontends, and Dockerfiles that name none', async () => {
    expect(await run(kept, { dockerfile: `# a comment\n${FROM}\nRUN true` })).toMatchObject({ end: 'succeeded' });
    // It can’t be pulled here, so this error shows that BuildKit tried to run it.
    const { failure } = await run(kept, { dockerfile: `# syntax=docker/dockerfile:1\n${FROM}` });
    expect(failure?.code).not.toBe('frontend_refused');
    expect(failure?.message).toContain('docker/dockerfile:1');
  });
});

describe('a commit, whose Dockerfile BuildKit would read itself', () => {
  test('is built with the Dockerfile that was checked, not with BuildKit’s own checkout', async () => {
    expect((await run(open, git(undefined, 'evil'))).failure?.message).toContain('127.0.0.1:9');
    expect((await run(kept, git(`# syntax=${EVIL}\n${FROM}`))).failure?.code).toBe('frontend_refused');
    const build = begin(
      kept.builder,
      git(`${FROM}\nCOPY evil/Dockerfile /x\nRUN echo looked at; head -1 /x # ${Math.random()}`),
    );
    expect((await build.outcome).failure).toBeUndefined();
    expect(build.output()).toBe(`looked at\n# syntax=${EVIL}\n`);
  });

  test('isn’t built if the Dockerfile is missing or can’t be read', async () => {
    const unread = { ...git('').source, dockerfile: () => Promise.reject(new Error('Dockerfile is a link')) };
    expect((await run(kept, { source: unread as NonNullable<TestBuild['source']> })).failure).toEqual({
      code: 'frontend_refused',
      message: 'the frontend of Dockerfile could not be determined: Dockerfile is a link',
    });
    expect((await run(kept, git(undefined))).failure?.code).toBe('dockerfile_missing');
  });
});
