import { type BuildEvent, type BuildRecord, isIllegal, transition } from '@kiln/domain';
import { createLogger, InvalidEnvironment, readEnv, Shutdown } from '@kiln/runtime';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { TraceReceiver } from '../testing/index.ts';
import { startTraces, type Traces, tracesEnv } from './open-traces.ts';
import { OtlpExporter } from './otlp-exporter.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const log = createLogger({ app: 'test', level: 'silent' });

const QUEUED: BuildRecord = {
  ...{ id: '01kaqz6w5h0123456789abcdef', revision: 1, state: 'queued', repo: 'app', team: 'web' },
  ...{ createdAt: 1_000, queuedAt: 1_000, attempts: [], trace: { id: TRACE, parent: CALLER } },
};

const assign = (host: string): BuildEvent => ({ type: 'assign', host, incarnation: 'i', nonce: 'n' });
const ref = (attempt: number) => ({ attempt, incarnation: 'i', nonce: 'n' });

/** Applies events at their times, ms, and returns the build. */
function apply(traces: Traces, from: BuildRecord, events: readonly [at: number, event: BuildEvent][]): BuildRecord {
  return events.reduce((build, [at, event]) => {
    const next = transition(build, event, at);
    if (isIllegal(next)) throw new Error(`${next.event} in state ${next.state}`);
    traces.changed(build, next);
    return next;
  }, from);
}

async function start(receiver: TraceReceiver, env: Record<string, string> = {}) {
  const shutdown = new Shutdown();
  const settings = readEnv(z.object(tracesEnv), { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...env });
  const traces = await startTraces(['worker'], settings, { log, shutdown });
  if (!traces) throw new Error('no traces');
  const close = () =>
    shutdown.run((_, error) => {
      throw error;
    });
  return { traces, close };
}

test('a build with two attempts is one trace below its caller’s span, with its waits, its attempts and their steps', async () => {
  await using receiver = await TraceReceiver.start();
  const { traces, close } = await start(receiver, {
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer t, x-scope = ops',
  });
  const lost = { code: 'host_lost', message: 'host a was lost' } as const;
  const running = apply(traces, QUEUED, [
    [2_000, assign('a')],
    [2_100, { type: 'start', ...ref(1) }],
    [5_000, { type: 'lose', attempt: 1, nonce: 'n', failure: lost }],
    [7_000, assign('b')],
    [7_200, { type: 'start', ...ref(2) }],
  ]);
  traces.placed(running, { build: QUEUED.id, host: 'b', reason: 'warm', decidedAt: 6_990, considered: [] });
  traces.ran(running, 2, [
    { digest: 'sha256:1', name: '[1/2] FROM debian', cached: true, startedAt: 7_300, completedAt: 7_300 },
    {
      digest: 'sha256:2',
      name: '[2/2] RUN make',
      cached: false,
      startedAt: 7_300.25,
      completedAt: 9_000,
      error: 'exit code: 2',
    },
    { digest: 'sha256:3', name: 'never started', cached: false },
  ]);
  apply(traces, running, [
    [
      9_100,
      {
        type: 'finish',
        ...ref(2),
        outcome: { end: 'failed', failure: { code: 'step_failed', message: 'make failed' } },
      },
    ],
  ]);
  await close();
  const { spans } = receiver;
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const shown = spans.map(({ name, parentSpanId = '', startedAt, endedAt, status }) => [
    ...[name, byId.get(parentSpanId)?.name ?? parentSpanId, startedAt, endedAt, status.message],
  ]);
  expect(shown).toEqual(
    expect.arrayContaining([
      ['build app', CALLER, 1_000, 9_100, 'make failed'],
      ['queue', 'build app', 1_000, 2_000, undefined],
      ['attempt 1', 'build app', 2_000, 5_000, 'host a was lost'],
      ['queue', 'build app', 5_000, 7_000, undefined],
      ['placement', 'queue', 6_990, 7_000, undefined],
      ['attempt 2', 'build app', 7_000, 9_100, 'make failed'],
      ['[1/2] FROM debian', 'attempt 2', 7_300, 7_300, undefined],
      ['[2/2] RUN make', 'attempt 2', 7_300.25, 9_000, 'exit code: 2'],
    ]),
  );
  expect(shown).toHaveLength(8);
  for (const { attributes, resource } of spans) {
    expect(attributes['kiln.build.id']).toBe(QUEUED.id);
    expect(resource).toMatchObject({ 'service.name': 'kiln', 'kiln.part': 'worker' });
  }
  expect(receiver.headers[0]).toMatchObject({ authorization: 'Bearer t', 'x-scope': 'ops' });
});

test('a build that never got a host has waited until its end', async () => {
  await using receiver = await TraceReceiver.start();
  const { traces, close } = await start(receiver);
  apply(traces, QUEUED, [[4_000, { type: 'cancel' }]]);
  await close();
  expect(receiver.spans.map(({ name, startedAt, endedAt }) => [name, startedAt, endedAt])).toEqual([
    ['build app', 1_000, 4_000],
    ['queue', 1_000, 4_000],
  ]);
});

test('nothing is exported of a build that is not traced', async () => {
  await using receiver = await TraceReceiver.start();
  const { traces, close } = await start(receiver);
  const { trace: _, ...untraced } = QUEUED;
  apply(traces, untraced, [[4_000, { type: 'cancel' }]]);
  await close();
  expect(receiver.spans).toEqual([]);
});

test('spans that the receiver does not take for a while are sent again, and those that it refuses are not', async () => {
  await using receiver = await TraceReceiver.start();
  receiver.answers.push(503, 400);
  const exporter = new OtlpExporter({ url: `${receiver.url}/v1/traces`, headers: {}, resource: {}, log, everyMs: 1 });
  const span = (name: string) => ({ traceId: TRACE, id: CALLER, name, startedAt: 1, endedAt: 2, attributes: {} });
  exporter.export([span('refused')]);
  // 503, then 400.
  await expect.poll(() => receiver.answers.length).toBe(0);
  exporter.export([span('taken')]);
  await expect.poll(() => receiver.spans.map(({ name }) => name)).toEqual(['taken']);
  await exporter.close();
});

test('without an endpoint there are no traces, and invalid settings are refused without showing headers', async () => {
  const settings = readEnv(z.object(tracesEnv), {});
  expect(await startTraces(['api'], settings, { log, shutdown: new Shutdown() })).toBeUndefined();
  const read = (env: Record<string, string>) => () => readEnv(z.object(tracesEnv), env);
  expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' })).toThrow(InvalidEnvironment);
  expect(read({ OTEL_EXPORTER_OTLP_HEADERS: 'hunter2' })).toThrow(/got a value that is not shown, expected name=value/);
});
