import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ArtifactRefused } from '../run/artifact-pipe.ts';
import { begin, FROM, type Lab, lab, removeImages } from '../testing/lab.ts';

let shared: Lab;
beforeAll(async () => {
  shared = await lab();
});
afterAll(async () => {
  await shared[Symbol.asyncDispose]();
  // A refused push leaves its image in the engine.
  await removeImages(['127.0.0.1:9/x:1']);
});

/** Keeps the following steps from being cached: the environment is part of a RUN’s key, unlike a preceding RUN that changes nothing. */
const unique = () => `ENV UNIQUE=${Math.random()}`;

test('reports its driver, versions and platforms', () => {
  expect(shared.builder.info).toMatchObject({
    driver: 'docker',
    engineVersion: expect.stringMatching(/^\d+\.\d+/),
    buildxVersion: expect.stringMatching(/^\d+\.\d+\.\d+/),
    platforms: expect.arrayContaining([expect.stringMatching(/^linux\//)]),
    cacheBudget: { bytes: expect.any(Number), from: 'engine' },
  });
});

test('builds a tar, streams its output, counts its steps and leaves no file behind', async () => {
  const dockerfile = `${FROM}\n${unique()}\nRUN echo out && echo err >&2 && cat /dev/null\nCOPY hello.txt /\nRUN cat /hello.txt`;
  const files = { 'hello.txt': 'Grüße 🙂\n' };
  const cold = begin(shared.builder, { dockerfile, files });
  expect(await cold.outcome).toMatchObject({ end: 'succeeded', result: {}, steps: { total: 3 } });
  expect(cold.output()).toContain('Grüße 🙂\n');
  const out = cold.records.find((record) => record.type === 'output' && record.data.includes('err'));
  expect(out).toMatchObject({ stream: 'stderr' });

  const warm = begin(shared.builder, { dockerfile, files });
  expect((await warm.outcome).steps).toEqual({ total: 3, cached: 3 });
  expect(warm.output()).toBe('');
  expect(await readdir(join(shared.options.scratchDir, 'runs'))).toEqual([]);
});

test('builds fresh with empty cache mounts and no cached step, and leaves no mount', async () => {
  // Unknown to the engine, which may have run this test before.
  const dir = `/fresh-${randomUUID().slice(0, 8)}`;
  const dockerfile = `${FROM}\nRUN --mount=type=cache,target=${dir} ls ${dir} && echo full > ${dir}/x`;
  const warm = begin(shared.builder, { dockerfile });
  expect(await warm.outcome).toMatchObject({ end: 'succeeded' });
  const mounts = async () => (await shared.builder.inventory()).mounts.filter(({ id }) => id.endsWith(`/${dir}`));
  const before = (await mounts()).map(({ id }) => id);
  const fresh = begin(shared.builder, { dockerfile, spec: { cache: { mode: 'fresh' } } });
  expect((await fresh.outcome).steps).toEqual({ total: 1, cached: 0 });
  expect(fresh.output()).toBe('');
  expect((await mounts()).map(({ id }) => id)).toEqual(before);
  // What the warm builds had there is still there.
  const again = begin(shared.builder, {
    dockerfile: `${dockerfile}\nRUN --mount=type=cache,target=${dir} cat ${dir}/x`,
  });
  expect(await again.outcome).toMatchObject({ end: 'succeeded' });
  expect(again.output()).toBe('full\n');
  const archive = begin(shared.builder, { dockerfile, spec: { cache: { mode: 'archive' } } });
  expect((await archive.outcome).failure?.message).toContain('needs the driver docker-container');
});

test('passes the result’s files to the store as a tar', async () => {
  const parts: Buffer[] = [];
  const { outcome } = begin(shared.builder, {
    dockerfile: `${FROM} AS build\nRUN head -c 3000000 /dev/zero > /big\nFROM scratch\nCOPY --from=build /big /big`,
    spec: { output: { type: 'artifact' } },
    async artifact(stream: Readable) {
      for await (const part of stream) parts.push(part as Buffer);
      return { digest: 'sha256:test', sizeBytes: Buffer.concat(parts).length };
    },
  });
  const ended = await outcome;
  expect(ended).toMatchObject({ end: 'succeeded', result: { artifact: { digest: 'sha256:test' } } });
  const bytes = Buffer.concat(parts);
  expect(bytes.length).toBeGreaterThan(3_000_000);
  expect(bytes.toString('latin1', 0, 3)).toBe('big');
});

test('fails a build whose artifact can’t be stored with infrastructure', async () => {
  const { outcome } = begin(shared.builder, {
    dockerfile: `${FROM}\n`,
    spec: { output: { type: 'artifact' } },
    artifact: async () => {
      throw new Error('disk of the store is full');
    },
  });
  expect((await outcome).failure).toEqual({
    code: 'infrastructure',
    message: 'the artifact could not be stored: disk of the store is full',
  });
});

test('fails a build whose artifact is refused with the store’s failure', async () => {
  const failure = { code: 'artifact_too_large', message: 'the artifact has more than 9 bytes' } as const;
  const { outcome } = begin(shared.builder, {
    dockerfile: `${FROM}\n`,
    spec: { output: { type: 'artifact' } },
    artifact: async () => {
      throw new ArtifactRefused(failure);
    },
  });
  expect((await outcome).failure).toEqual(failure);
});

test('keeps the failure of a failed build, although its artifact could not be stored', async () => {
  const { outcome } = begin(shared.builder, {
    dockerfile: `${FROM}\nRUN exit 5`,
    spec: { output: { type: 'artifact' } },
    async artifact(stream: Readable) {
      for await (const _ of stream);
      throw new Error('never comes so far');
    },
  });
  expect(await outcome).toMatchObject({ end: 'failed', failure: { code: 'step_failed', exitCode: 5 } });
});

test('gives the store an error instead of an end if the build fails', async () => {
  let error: unknown;
  const { outcome } = begin(shared.builder, {
    dockerfile: `${FROM}\nRUN exit 7`,
    spec: { output: { type: 'artifact' } },
    async artifact(stream: Readable) {
      try {
        for await (const _ of stream);
      } catch (caught) {
        error = caught;
      }
      return { digest: 'x', sizeBytes: 0 };
    },
  });
  expect(await outcome).toMatchObject({ end: 'failed', failure: { code: 'step_failed', exitCode: 7 } });
  expect(error).toMatchObject({ message: 'the build failed' });
});

test('reports the step, the exit code and the position in the Dockerfile of a failed RUN', async () => {
  const { outcome, records } = begin(shared.builder, {
    dockerfile: `${FROM}\nRUN echo before; exit 42\nRUN echo after`,
  });
  expect(await outcome).toMatchObject({
    end: 'failed',
    failure: {
      code: 'step_failed',
      step: expect.stringContaining('RUN echo before; exit 42'),
      exitCode: 42,
      excerpt: expect.stringContaining('2 | >>> RUN echo before; exit 42'),
    },
  });
  expect(records).toContainEqual(expect.objectContaining({ type: 'step', state: 'failed' }));
});

test.each([
  ['dockerfile_missing', { spec: { dockerfile: 'nowhere/Dockerfile' } }],
  ['dockerfile_invalid', { dockerfile: `${FROM}\nRUNN x` }],
  ['target_missing', { dockerfile: `${FROM} AS a\n`, spec: { target: 'b' } }],
  ['base_image_unavailable', { dockerfile: 'FROM 127.0.0.1:9/nothing:here' }],
  ['step_failed', { dockerfile: `${FROM}\nCOPY missing /` }],
  ['push_refused', { dockerfile: FROM, spec: { output: { type: 'push' }, tags: ['127.0.0.1:9/x:1'] } }],
])('fails a build with %s', async (code, build) => {
  expect((await begin(shared.builder, build).outcome).failure?.code).toBe(code);
});

test('passes secrets to the build, but never to its log, steps or failure', async () => {
  const secrets = { token: 'swordfish-4711', big: `x${'0123456789abcdef'.repeat(8_000)}`, 'with.dots:too': 'plover!' };
  const { outcome, records, output } = begin(shared.builder, {
    secrets,
    dockerfile: [
      FROM,
      unique(),
      'RUN --mount=type=secret,id=big test "$(wc -c < /run/secrets/big)" = 128001 && echo big is there',
      'RUN --mount=type=secret,id=with.dots:too cat /run/secrets/with.dots:too',
      // In two writes, so that BuildKit sends two chunks; then encoded; then in an error.
      'RUN --mount=type=secret,id=token t=$(cat /run/secrets/token) && printf %.6s "$t" && sleep 0.3 && echo "$t" | cut -c7-',
      'RUN --mount=type=secret,id=token printf "user:%s" "$(cat /run/secrets/token)" | base64',
      'RUN echo swordfish-4711 && exit 3',
    ].join('\n'),
  });
  const ended = await outcome;
  expect(ended).toMatchObject({
    failure: { code: 'step_failed', exitCode: 3, step: expect.stringContaining('echo ***') },
  });
  expect(output()).toContain('big is there');
  const all = JSON.stringify([records, ended]);
  for (const value of ['swordfish', 'plover!', Buffer.from('user:swordfish-4711').toString('base64').slice(8, 20)]) {
    expect(all).not.toContain(value);
  }
  expect(output().match(/\*\*\*/g)?.length).toBeGreaterThanOrEqual(3);
});

test('warns of a limit that this buildx can’t enforce', async () => {
  const { outcome, records } = begin(shared.builder, { dockerfile: FROM, spec: { resources: { cpus: 1 } } });
  expect(await outcome).toMatchObject({ end: 'succeeded' });
  expect(records[0]).toMatchObject({
    type: 'warning',
    message: expect.stringContaining('resources.cpus is not enforced'),
  });
});

test('keeps concurrent builds separate', async () => {
  const builds = ['one', 'two', 'three'].map((word) =>
    begin(shared.builder, { dockerfile: `${FROM}\n${unique()}\nRUN for i in 1 2 3; do echo ${word}; sleep 0.1; done` }),
  );
  const ends = await Promise.all(builds.map(({ outcome }) => outcome));
  expect(ends.map(({ end }) => end)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  expect(builds.map(({ output }) => output())).toEqual(['one\n'.repeat(3), 'two\n'.repeat(3), 'three\n'.repeat(3)]);
});
