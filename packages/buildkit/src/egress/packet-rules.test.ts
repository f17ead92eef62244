import { expect, test } from 'vitest';
import { packetRules } from './packet-rules.ts';

const NAMES = { bridge: 'kiln-b', chain: 'C', ownChain: 'OWN' };
const rules = (allowed: string[]) =>
  packetRules({ mode: 'guarded', allowed, metadata: ['169.254.169.254/32', 'fd00:ec2::/112'] }, NAMES).split('\n');

test('puts single addresses first, metadata before networks, and special networks last', () => {
  const lines = rules(['10.0.0.0/8', '169.254.0.0/16', '10.1.2.3']).filter((line) => line.startsWith('-A C '));
  const at = (text: string) => lines.findIndex((line) => line.includes(text));
  const order = [
    '--dport 53',
    '-d 10.1.2.3 ',
    '-d 169.254.169.254/32',
    '-d 10.0.0.0/8 -j RETURN',
    '-d 10.0.0.0/8 -j REJECT',
  ];
  expect(order.map(at)).toEqual(order.map(at).toSorted((a, b) => a - b));
  expect(order.map(at)).not.toContain(-1);
});

test('allows only DNS and single addresses to the machine itself', () => {
  const own = rules(['10.0.0.0/8', '10.1.2.3/32']).filter((line) => line.startsWith('-A OWN '));
  expect(own.filter((line) => line.includes('RETURN') && !line.includes('10.1.2.3/32'))).toEqual([
    '-A OWN -p udp --dport 53 -j RETURN',
    '-A OWN -p tcp --dport 53 -j RETURN',
  ]);
  expect(own.at(-1)).toMatch(/^-A OWN -j REJECT/);
});

test('puts no IPv6 address into the rules for IPv4', () => {
  expect(rules([]).join('\n')).not.toContain('fd00');
});
