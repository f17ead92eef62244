import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { climbingLinks, type RawHeader, rawTar, twofoldTar } from '@kiln/trees/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab } from '../testing/lab.ts';

const MARK = 'what-is-outside-4711';
let shared: Lab;
beforeAll(async () => {
  shared = await lab();
  // Beside the runs: a context is in runs/<run>/…, so this is a few directories up.
  const outside = join(shared.options.scratchDir, 'outside');
  await mkdir(outside);
  for (const name of ['config.json', 'config.json.dockerignore', '.dockerignore']) {
    await writeFile(join(outside, name), `{"auths": "${MARK}"}\n`);
  }
});
afterAll(() => shared[Symbol.asyncDispose]());

/** Returns everything that a build of this context reports, as one text. */
async function report(tar: Buffer, dockerfile: string): Promise<string> {
  const build = begin(shared.builder, {
    source: { type: 'tar', open: async () => Readable.from([tar]) },
    spec: { dockerfile, noCache: true },
  });
  return JSON.stringify([await build.outcome, build.records]);
}

// A context is in runs/<run>/own/context; more levels, in case it moves.
const chains = [2, 3, 4, 5].map((levels) => [levels, climbingLinks(levels, 'outside')] as const);

test.each(chains)('does not read a Dockerfile behind links that lead %i directories up', async (_levels, links) => {
  const text = await report(rawTar(...links), 'sub/config.json');
  expect(text).toContain('context_invalid');
  expect(text).not.toContain(MARK);
});

test.each(chains)(
  'does not read a Dockerfile behind links that only one of two tar readers sees, %i directories up',
  async (_levels, links) => {
    const text = await report(twofoldTar(links), 'sub/config.json');
    expect(text).toContain('context_invalid');
    expect(text).not.toContain(MARK);
  },
);

test('copies such links as they are, and no file through them', async () => {
  const links = chains.flatMap(([levels]) => climbingLinks(levels, 'outside').map((link) => at(`c${levels}`, link)));
  const named = chains.map(([levels]) => `COPY c${levels}/sub/config.json /x${levels}`);
  for (const copy of named) {
    const text = await report(rawTar({ name: 'Dockerfile', content: `FROM scratch\n${copy}` }, ...links), 'Dockerfile');
    expect(text).toContain('"end":"failed"');
    expect(text).not.toContain(MARK);
  }
  const all = `${FROM}\nCOPY . /x\nRUN cat /x/c*/sub/*; readlink /x/c3/sub`;
  const text = await report(rawTar({ name: 'Dockerfile', content: all }, ...links), 'Dockerfile');
  expect(text).toContain('"end":"succeeded"');
  expect(text).toContain('/up/../../../outside');
  expect(text).not.toContain(MARK);
});

test('reads a Dockerfile and an ignore file that are links within the context', async () => {
  const build = begin(shared.builder, {
    source: {
      type: 'tar',
      open: async () =>
        Readable.from([
          rawTar(
            { name: 'shared/Dockerfile', content: `${FROM}\nCOPY . /in\nRUN ls -A /in | tr '\\n' ' '` },
            { name: 'svc/Dockerfile', type: '2', target: '../shared/Dockerfile' },
            { name: 'svc/Dockerfile.dockerignore', type: '2', target: '../ignored' },
            { name: 'ignored', content: 'b\nsvc\n' },
            { name: '.dockerignore', content: 'a\n' },
            { name: 'a' },
            { name: 'b' },
          ),
        ]),
    },
    spec: { dockerfile: 'svc/Dockerfile', noCache: true },
  });
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  expect(build.output().trim().split(/\s+/).sort()).toEqual(['.dockerignore', 'a', 'ignored', 'shared']);
});

function at(directory: string, header: RawHeader): RawHeader {
  return { ...header, name: `${directory}/${header.name}` };
}
