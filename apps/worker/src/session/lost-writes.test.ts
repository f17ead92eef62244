import { isTerminal } from '@kiln/domain';
import { moment } from '@kiln/state/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { HeldExecutor } from '../testing/held-executor.ts';
import { type TestHost, useTestHost } from '../testing/test-host.ts';

const fixture = useTestHost();
let host: TestHost;
let executor: HeldExecutor;

beforeEach(async () => {
  host = fixture.host;
  executor = new HeldExecutor();
  await host.start({}, { executors: fixedExecutors([executor]) });
});
afterEach(async () => {
  executor.finish();
});

describe('if Redis has lost the last writes, a worker', () => {
  test('reports the end of an attempt again, and does not run the build again', async () => {
    const id = await host.deliver();
    await executor.starts(1);
    const before = await moment(host.state.redis);
    executor.finish({ end: 'succeeded', result: { digest: 'sha256:1' } });
    await host.build(id);
    await before.rewind();
    expect((await host.state.builds.get(id))?.record.state).not.toBe('succeeded');
    const ended = await host.build(id, ({ state }) => isTerminal(state));
    expect(ended).toMatchObject({ state: 'succeeded', result: { digest: 'sha256:1' }, attempts: [{ number: 1 }] });
    expect(executor.started).toHaveLength(1);
  });

  test('stops an attempt whose assignment is lost, and reports it until it has ended', async () => {
    const before = await moment(host.state.redis);
    const id = await host.deliver();
    await executor.starts(1);
    executor.holdsOut = true;
    await before.rewind();
    await host.host(({ stale }) => stale?.includes(id) ?? false);
    expect(executor.stopped).toEqual(['fence']);
    executor.finish();
    await host.host(({ stale }) => stale === undefined);
  });

  test('writes the lost records of a log again', async () => {
    const id = await host.deliver();
    await executor.starts(1);
    const notes = async () => (await host.log(id)).flatMap((entry) => (entry.type === 'note' ? [entry.message] : []));
    const write = async (message: string) => {
      await executor.started[0]?.sink({ t: 1, type: 'note', message });
      await expect.poll(notes, { timeout: 60_000 }).toContain(message);
    };
    await write('one');
    const before = await moment(host.state.redis);
    await write('two');
    await write('three');
    await before.rewind();
    await write('four');
    executor.finish();
    await host.build(id);
    expect((await notes()).slice(-4)).toEqual(['one', 'two', 'three', 'four']);
  });
});
