import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SettingsLab } from '../testing/settings-lab.ts';
import { BASE, smallRoot } from '../testing/small-root.ts';

const LIMITS = { memoryBytes: 100_000_000, cpus: 0.5, pids: 60 };
let own: SettingsLab;

beforeAll(async () => {
  own = await SettingsLab.open(await smallRoot());
});
afterAll(() => own[Symbol.asyncDispose]());

const step = (command: string) => ({ dockerfile: `${BASE}\nRUN ${command} # ${randomUUID()}` });

test('a fork bomb and a step that takes all memory fail, and the builder goes on working', async () => {
  const [bomb, hog, after] = await own.buildsWith({ limits: LIMITS }, [
    step('b() { b | b & }; b; wait; for i in 1 2 3; do sleep 0.1 || exit 3; done'),
    step('head -c 300000000 /dev/zero | tail -c 300000000 > /dev/null'),
    step('echo still there'),
  ]);
  expect(bomb.output).toMatch(/fork/i);
  expect(hog.outcome.failure).toMatchObject({
    code: 'out_of_memory',
    step: expect.stringContaining('RUN head -c 300000000'),
    message: expect.stringMatching(/memory ran out \(exit code 137\).* 100000000 bytes$/),
  });
  expect(after.output).toBe('still there\n');
});

test('limits hold after the engine has restarted the builder', async () => {
  const settings = { limits: LIMITS };
  await own.buildWith(settings, step('echo made'));
  await own.container.restart();
  const many = 'i=0; while [ $i -lt 100 ]; do sleep 30 & i=$((i+1)); done; echo all of them';
  const { outcome, output } = await own.buildWith(settings, step(many));
  expect(outcome).toMatchObject({ end: 'failed' });
  expect(output).not.toContain('all of them');
  const free = await own.buildWith({}, step(many));
  expect(free.output).toContain('all of them');
});
