import { describe, expect, test } from 'vitest';
import { ApiProblem } from '../http/api-problem.ts';
import { BodyMemory } from './body-memory.ts';
import { BoundedTable } from './bounded-table.ts';
import { clientNetwork, isLoopback } from './client-network.ts';
import { StrangerGate } from './stranger-gate.ts';

const PER_MINUTE = 60;
const HERE = '203.0.113.7';

function gateAt(): { gate: StrangerGate; clock: { now: number } } {
  const clock = { now: 1_000 };
  return { gate: new StrangerGate(PER_MINUTE, () => clock.now), clock };
}

function refusal(gate: StrangerGate, ip = HERE, credential?: string): ApiProblem | undefined {
  try {
    gate.enter(ip, credential);
    return undefined;
  } catch (error) {
    if (error instanceof ApiProblem) return error;
    throw error;
  }
}

const spend = (gate: StrangerGate, ip = HERE) => {
  for (let i = 0; i < PER_MINUTE; i += 1) gate.enter(ip, undefined);
};

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2:ffff::1', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80::/64'],
  ['', ''],
])('%s counts as the network %s', (ip, network) => {
  expect(clientNetwork(ip)).toBe(network);
});

test.each([
  ['127.0.0.1', true],
  ['::1', true],
  ['::ffff:127.0.0.9', true],
  ['10.0.0.1', false],
  ['', false],
])('%s is on this machine: %s', (ip, expected) => {
  expect(isLoopback(ip)).toBe(expected);
});

test('a bounded table evicts the least recently used entry', () => {
  const table = new BoundedTable<number>(2);
  table.set('a', 1);
  table.set('b', 2);
  table.get('a');
  table.set('c', 3);
  expect([table.get('a'), table.get('b'), table.get('c'), table.size]).toEqual([1, undefined, 3, 2]);
});

describe('requests without a credential', () => {
  test('are limited by address, with the time to retry, and are let in again as time passes', () => {
    const { gate, clock } = gateAt();
    spend(gate);
    expect(refusal(gate)).toMatchObject({
      code: 'too_many_requests',
      message: `${HERE} may make 60 requests a minute without a valid credential; try again in 1 s`,
      headers: { 'Retry-After': '1' },
      errors: [{ field: 'address', expected: 'at most 60 a minute; a wrong credential counts as 10' }],
    });
    expect(refusal(gate, '203.0.113.8')).toBeUndefined();
    clock.now += 1_000;
    expect([refusal(gate), refusal(gate)?.code]).toEqual([undefined, 'too_many_requests']);
  });

  test('count together for one /64, and not at all on this machine or with limit 0', () => {
    const { gate } = gateAt();
    for (let i = 0; i < PER_MINUTE; i += 1) gate.enter(`2001:db8:0:1::${i.toString(16)}`, undefined);
    expect(refusal(gate, '2001:db8:0:1:9::')?.code).toBe('too_many_requests');
    expect(refusal(gate, '2001:db8:0:2::')).toBeUndefined();
    for (let i = 0; i < 10 * PER_MINUTE; i += 1) gate.enter('127.0.0.1', undefined);
    const open = new StrangerGate(0, () => 0);
    for (let i = 0; i < 10 * PER_MINUTE; i += 1) open.enter(HERE, undefined);
  });

  test('that prove to be signed don’t count', () => {
    const { gate } = gateAt();
    for (let i = 0; i < 10 * PER_MINUTE; i += 1) gate.enter(HERE, undefined).vouched();
    expect(refusal(gate)).toBeUndefined();
  });
});

describe('wrong credentials', () => {
  test('use up an address’s requests ten times as fast; then no new credential is tried', () => {
    const { gate, clock } = gateAt();
    for (let i = 0; i < 6; i += 1) gate.enter(HERE, `guess ${i}`).failed();
    expect(refusal(gate, HERE, 'guess 7')?.code).toBe('too_many_requests');
    clock.now += 1_000;
    expect(refusal(gate, HERE, 'guess 7')).toBeUndefined();
  });

  test('don’t lock out a credential that was valid before, but other ones', () => {
    const { gate } = gateAt();
    gate.enter(HERE, 'good').proved();
    for (let i = 0; i < 6; i += 1) gate.enter(HERE, `guess ${i}`).failed();
    expect([refusal(gate, HERE, 'good'), refusal(gate, HERE, 'other')?.code]).toEqual([undefined, 'too_many_requests']);
  });

  test('that identify nobody count as requests without a credential', () => {
    const { gate } = gateAt();
    for (let i = 0; i < PER_MINUTE; i += 1) gate.enter(HERE, 'theme=dark').unknown();
    expect(refusal(gate, HERE, 'theme=dark')?.code).toBe('too_many_requests');
  });
});

describe('memory of bodies', () => {
  test('is counted by received bytes, and given back', () => {
    const memory = new BodyMemory(100, 60);
    {
      using one = memory.hold('a');
      one.add(40);
      expect(memory.heldBytes).toBe(40);
      expect(() => one.add(21)).toThrow('a is sending too many webhooks at a time');
    }
    expect(memory.heldBytes).toBe(0);
  });

  test('is freed by dropping the largest body for a small one; only the largest is refused', async () => {
    const memory = new BodyMemory(100, 60);
    using large = memory.hold('a');
    using medium = memory.hold('b');
    using small = memory.hold('c');
    large.add(60);
    medium.add(40);
    small.add(1);
    await expect(large.dropped).rejects.toMatchObject({ code: 'unavailable', headers: { 'Retry-After': '5' } });
    using late = memory.hold('d');
    large[Symbol.dispose]();
    late.add(59);
    expect(() => late.add(1)).toThrow('too many webhooks are being read at the moment');
  });
});
