import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Builder } from '../index.ts';
import { begin, FROM, type Lab, lab, processesWith, toolContainerOf, uniqueSeconds, until } from '../testing/lab.ts';
import { tar } from '../testing/tar.ts';

let shared: Lab;
beforeAll(async () => {
  shared = await lab();
});
afterAll(() => shared[Symbol.asyncDispose]());

const sleeping = (seconds: string) => `${FROM}\nRUN echo asleep && sleep ${seconds}; echo awake`;

test('loses the running build with the tool container, but not the next one', async () => {
  const seconds = uniqueSeconds();
  const build = begin(shared.builder, { dockerfile: sleeping(seconds) });
  await until(async () => (await processesWith(seconds)).length > 0);
  await toolContainerOf(shared).kill();
  expect((await build.outcome).failure).toMatchObject({ code: 'infrastructure' });
  expect(await processesWith(seconds)).toEqual([]);

  const after = ['a', 'b'].map((word) => begin(shared.builder, { dockerfile: `${FROM}\nRUN echo ${word}` }));
  expect(await Promise.all(after.map(async ({ outcome }) => (await outcome).end))).toEqual(['succeeded', 'succeeded']);
  await toolContainerOf(shared).remove({ force: true });
  expect(await begin(shared.builder, { dockerfile: FROM }).outcome).toMatchObject({ end: 'succeeded' });
});

test('recreates the tool container if the engine has a new socket', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-socket-'));
  const path = join(dir, 'docker.sock');
  const listen = async () => {
    const server = createServer({ allowHalfOpen: true }, (from) => {
      const to = connect({ path: '/var/run/docker.sock', allowHalfOpen: true });
      pipeline(from, to, from, () => undefined);
    });
    // Like an engine's socket: accessible not only to its owner.
    await new Promise<void>((resolve) => server.listen({ path, readableAll: true, writableAll: true }, resolve));
    return server;
  };
  const first = await listen();
  await using own = await lab({ dockerSocket: path });
  expect(await begin(own.builder, { dockerfile: FROM }).outcome).toMatchObject({ end: 'succeeded' });
  first.close();
  await rm(path, { force: true });
  const second = await listen();
  expect(await begin(own.builder, { dockerfile: FROM }).outcome).toMatchObject({ end: 'succeeded' });
  await own.builder.close();
  second.close();
  await rm(dir, { recursive: true });
});

test('ends builds that a killed worker left running when the next one starts', async () => {
  const before = await lab();
  const seconds = uniqueSeconds();
  const orphan = begin(before.builder, { dockerfile: sleeping(seconds) });
  await until(async () => (await processesWith(seconds)).length > 0);
  await using successor = await Builder.start(before.options);
  await until(async () => (await processesWith(seconds)).length === 0);
  expect((await orphan.outcome).failure).toMatchObject({ code: 'infrastructure' });
  await successor.extendFence(Date.now() + 60_000);
  expect(await begin(successor, { dockerfile: FROM }).outcome).toMatchObject({ end: 'succeeded' });
  await before[Symbol.asyncDispose]();
});

test('fails the attempt with infrastructure if buildx can’t be started', async () => {
  await using own = await lab();
  // Like a process that the watchdog kills before it has become buildx: the engine's exec fails, not buildx.
  await chmod(join(own.options.scratchDir, 'tool', 'kiln-exec'), 0o644);
  expect(await begin(own.builder, { dockerfile: FROM }).outcome).toMatchObject({
    end: 'failed',
    failure: { code: 'infrastructure', message: expect.stringContaining('buildx could not be started') },
  });
});

test('fails a build whose context breaks off with infrastructure', async () => {
  const { outcome } = begin(shared.builder, {
    source: {
      type: 'tar',
      open: async () =>
        Readable.from(
          (async function* () {
            yield tar({ Dockerfile: FROM, big: Buffer.alloc(2 * 1024 * 1024) }).subarray(0, 1024 * 1024);
            throw new Error('blob store went away');
          })(),
        ),
    },
  });
  expect((await outcome).failure).toEqual({
    code: 'infrastructure',
    message: 'the build context could not be read: blob store went away',
  });
});

test('fails a build whose context can’t be opened with infrastructure', async () => {
  const open = async () => {
    throw new Error('no such blob');
  };
  const { outcome } = begin(shared.builder, { source: { type: 'tar', open } });
  expect((await outcome).failure).toMatchObject({
    code: 'infrastructure',
    message: expect.stringContaining('no such blob'),
  });
});

test('fails a build with buildx’s message if it rejects its arguments', async () => {
  const { outcome } = begin(shared.builder, {
    spec: { platforms: ['nosuchos/nosucharch'], tags: ['a'.repeat(300)] },
  });
  expect(await outcome).toMatchObject({ end: 'failed', failure: { code: 'build_failed' } });
});

test('stops reading an endless context when the build is canceled', async () => {
  const begun = Promise.withResolvers<void>();
  const endless = async function* () {
    yield tar({ Dockerfile: FROM }).subarray(0, 1024);
    begun.resolve();
    for (;;) {
      yield Buffer.alloc(64 * 1024);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const source = { type: 'tar', open: async () => Readable.from(endless()) } as const;
  const build = begin(shared.builder, { source });
  await begun.promise;
  build.stop('cancel');
  expect(await build.outcome).toMatchObject({ end: 'canceled' });
});

test('fails a build whose context is not a tar with context_invalid', async () => {
  const cut = tar({ Dockerfile: FROM, big: Buffer.alloc(100_000) }).subarray(0, 50_000);
  for (const bytes of [Buffer.from('# no tar'), Buffer.alloc(0), cut]) {
    const { outcome } = begin(shared.builder, { source: { type: 'tar', open: async () => Readable.from([bytes]) } });
    expect((await outcome).failure?.code).toBe('context_invalid');
  }
});

test('ends a build whose log can’t be written', async () => {
  const seconds = uniqueSeconds();
  const { outcome } = begin(shared.builder, {
    dockerfile: sleeping(seconds),
    async sink(record) {
      if (record.type === 'output') throw new Error('Redis is gone');
    },
  });
  expect((await outcome).failure).toEqual({
    code: 'infrastructure',
    message: 'the log could not be written: Redis is gone',
  });
  expect(await processesWith(seconds)).toEqual([]);
});

test('ends a stopped build whose sink never takes a record', async () => {
  const seconds = uniqueSeconds();
  const build = begin(shared.builder, {
    dockerfile: sleeping(seconds),
    sink: (record) => (record.type === 'output' ? new Promise(() => undefined) : undefined),
  });
  await until(() => build.output() !== '');
  build.stop('fence');
  expect((await build.outcome).failure).toMatchObject({ code: 'infrastructure' });
  expect(await processesWith(seconds)).toEqual([]);
});

test('neither fails nor fills the memory with a slow sink', async () => {
  let peak = 0;
  let received = 0;
  const lines = 400_000;
  const build = begin(shared.builder, {
    dockerfile: `${FROM}\nRUN : ${Math.random()} && yes 'sixty characters of output, or as near to sixty as can be....' | head -n ${lines}`,
    async sink(record) {
      if (record.type !== 'output') return;
      received += record.data.length;
      build.records.length = 0;
      // In total far longer than the 3 s that buildx allows for the rest of its build's progress.
      await new Promise((resolve) => setTimeout(resolve, 3));
      const { rss } = process.memoryUsage();
      peak = Math.max(peak, rss);
    },
  });
  const before = process.memoryUsage().rss;
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
  expect(received).toBe(lines * 62);
  expect(peak - before).toBeLessThan(150 * 1024 * 1024);
});
