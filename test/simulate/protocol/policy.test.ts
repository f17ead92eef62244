import { describe, expect, test } from 'vitest';
import { simulate } from '../engine/simulate.ts';
import { PolicyProcess } from '../testing/policy-process.ts';
import { SMALL } from '../testing/small-trace.ts';
import { makeTrace } from '../trace/make-trace.ts';
import { KilnPolicy } from './bridge.ts';
import type { PolicyDecision, PolicyEvent } from './events.ts';

const CLASSES = [
  { prio: 0, name: 'interactive' },
  { prio: 1, name: 'normal' },
  { prio: 2, name: 'batch' },
];
const INIT = {
  type: 'init',
  t: 0,
  hosts: [
    { host: 'a', slots: 1, disk: 10 },
    { host: 'b', slots: 1, disk: 10 },
  ],
  classes: CLASSES,
  seed: 1,
  dep_known: true,
};
const queued = (t: number, build: string, repo: string, more = {}) => ({
  ...{ type: 'build_queued', t, build, repo, prio: 1, dep: 0, submitted: t, attempt: 1 },
  ...more,
});
const started = (t: number, build: string, host: string, cache: string) => ({
  type: 'build_started',
  t,
  build,
  host,
  cache,
});
const finished = (t: number, build: string, host: string, run_s: number, evicted: string[] = []) => ({
  ...{ type: 'build_finished', t, build, host, run_s, size: 1, evicted, dep: 0 },
});

describe('the policy process', () => {
  test('makes only legal assignments and prints nothing but answers', async () => {
    await using policy = new PolicyProcess();
    policy.send(INIT);
    expect(await policy.ask(0)).toEqual({ assign: [] });

    // Two builds of unknown repos, and two hosts.
    policy.send(queued(1, '1', 'x'), queued(1, '2', 'y'));
    const { assign } = await policy.ask(1);
    expect(assign.map(({ build }) => build).sort()).toEqual(['1', '2']);
    expect(assign.map(({ host }) => host).sort()).toEqual(['a', 'b']);
    const x = assign.find(({ build }) => build === '1')?.host ?? '';
    const y = x === 'a' ? 'b' : 'a';
    policy.send(started(1, '1', x, 'cold'), started(1, '2', y, 'cold'));

    // Both hosts are full, so a third build waits, even when asked again.
    policy.send(queued(2, '3', 'x'));
    expect((await policy.ask(2)).assign).toEqual([]);
    policy.send({ type: 'wake', t: 3 });
    expect((await policy.ask(3)).assign).toEqual([]);

    // The host of y comes free, but the build waits for that of x, which is about to, with its cache.
    policy.send(finished(300, '2', y, 299));
    const waits = await policy.ask(300);
    expect(waits.assign).toEqual([]);
    expect(waits.wake).toBeGreaterThan(300);
    policy.send(finished(310, '1', x, 309));
    expect((await policy.ask(310)).assign).toEqual([{ build: '3', host: x }]);
    policy.send(started(310, '3', x, 'warm'), finished(340, '3', x, 30));

    // The host of x is drained, so its repo goes to the other one and is warm there later.
    policy.send({ type: 'host_drain', t: 341, host: x }, queued(341, '4', 'x'));
    expect((await policy.ask(341)).assign).toEqual([{ build: '4', host: y }]);
    policy.send(started(341, '4', y, 'cold'));

    // It is lost during the build, which is queued again and goes to another host.
    policy.send({ type: 'host_down', t: 400, host: y }, queued(400, '4', 'x', { submitted: 341, attempt: 2 }));
    expect((await policy.ask(400)).assign).toEqual([]);
    policy.send({ type: 'host_up', t: 410, host: 'c', slots: 2, disk: 10 });
    expect((await policy.ask(410)).assign).toEqual([{ build: '4', host: 'c' }]);
    policy.send(started(410, '4', 'c', 'cold'), finished(700, '4', 'c', 290));
    expect(await policy.ask(700)).toEqual({ assign: [] });
    policy.send({ type: 'end', t: 700 });
    expect(await policy.finish()).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('answers exactly as the same code does in the simulator, over a whole trace', async () => {
    const scenario = {
      ...SMALL,
      hours: 4,
      classes: { interactive: 0.3, normal: 0.4, batch: 0.3 },
      teams: { a: 0.7, b: 0.3 },
      heavy: 0.1,
      losses: { every: 4_000, backAfter: 600 },
      scale: { hosts: 1, upAt: 0.4, drainAt: 0.8 },
    };
    const kiln = new KilnPolicy();
    const lines: (PolicyEvent | { type: 'decide'; t: number })[] = [];
    const answers: PolicyDecision[] = [];
    simulate(
      makeTrace(scenario, 3),
      {
        handle: (event) => kiln.handle(event),
        decide: (t) => {
          const answer = kiln.decide(t);
          answers.push(answer);
          return answer;
        },
      },
      { watch: (line) => lines.push(line) },
    );
    await using policy = new PolicyProcess();
    policy.send(...lines, { type: 'end', t: lines.at(-1)?.t ?? 0 });
    const { code, stdout, stderr } = await policy.finish();
    const piped: PolicyDecision[] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect([code, stderr]).toEqual([0, '']);
    expect(answers.some(({ assign }) => assign.length > 1)).toBe(true);
    expect(answers.some(({ wake }) => wake !== undefined)).toBe(true);
    // The outcome follows from the trace and the answers, so equal outcomes mean equal answers.
    expect(piped).toEqual(answers);
  });

  test.each<[string, readonly (object | string)[], RegExp]>([
    ['no JSON', [INIT, 'hello'], /^policy: line 2: line: got "hello", expected a JSON object\n$/],
    [
      'an unknown type',
      [INIT, { type: 'build_quued', t: 1 }],
      /^policy: line 2: type: got "build_quued", expected 'init' .+\n$/,
    ],
    [
      'a field that is missing',
      [INIT, { type: 'host_down', t: 1 }],
      /^policy: line 2: host: got nothing, expected string\n$/,
    ],
    [
      'a field of another type',
      [INIT, '', { type: 'wake', t: 'soon' }],
      /^policy: line 3: t: got "soon", expected number\n$/,
    ],
    [
      'a cache of another word',
      [INIT, started(1, '1', 'a', 'hot')],
      /^policy: line 2: cache: got "hot", expected one of "warm"\|"stale"\|"cold"\n$/,
    ],
    [
      'a host without slots',
      [{ ...INIT, hosts: [{ host: 'a', slots: 0, disk: 1 }] }],
      /^policy: line 1: hosts\.0\.slots: got 0, .+\n$/,
    ],
  ])('refuses %s: exit code 2, the line and the field on stderr', async (_, lines, message) => {
    await using policy = new PolicyProcess();
    policy.send(...lines);
    const { code, stdout, stderr } = await policy.finish();
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  test('exits when its standard input is closed', async () => {
    await using policy = new PolicyProcess();
    policy.send(INIT);
    expect(await policy.finish()).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});
