import { afterAll, beforeAll, expect, test } from 'vitest';
import { hanging } from '../support/dockerfiles.ts';
import { startHosts, type TestHosts } from '../support/hosts.ts';
import { expectWhole, outputOf } from '../support/logs.ts';
import { startPool } from '../support/pool.ts';

let hosts: TestHosts;
beforeAll(async () => {
  hosts = await startHosts('a', 'b', 'c');
});
afterAll(() => hosts[Symbol.asyncDispose]());

test('a host that is lost in mid-build costs an attempt; the build ends once, on another', async () => {
  await using pool = await startPool({ hosts });
  const seconds = pool.sleepSeconds();
  const { id } = await pool.submit(hanging(seconds));
  await pool.sleeping(seconds, id);
  const { host: first = '' } = await pool.client.get(id);
  await pool.lose(first);
  await pool.sleeping(seconds, id, 2);
  await pool.release(seconds);
  const build = await pool.client.waitForEnd(id);
  const second = build.attempts[1]?.host;
  expect(second).not.toBe(first);
  expect(build).toMatchObject({
    state: 'succeeded',
    attempts: [
      { number: 1, host: first, end: 'lost', failure: { code: 'host_lost' } },
      { number: 2, end: 'succeeded' },
    ],
  });
  const log = await pool.log(id);
  expectWhole(log, 2);
  expect(outputOf(log).match(/begun/g)).toHaveLength(2);

  await pool.bringBack(first);
});
