import { InvalidEnvironment, METADATA_NETWORKS, readEnv } from '@kiln/runtime';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { buildEgress } from './egress-settings.ts';

const read = (text?: string) =>
  readEnv(z.object({ KILN_BUILD_EGRESS: buildEgress }), text === undefined ? {} : { KILN_BUILD_EGRESS: text })
    .KILN_BUILD_EGRESS;
const metadata = METADATA_NETWORKS;

test.each([
  [undefined, undefined],
  ['open', undefined],
  ['guarded', { mode: 'guarded', allowed: [], metadata }],
  ['Guarded, 10.1.0.0/16 ,10.2.0.7', { mode: 'guarded', allowed: ['10.1.0.0/16', '10.2.0.7'], metadata }],
  ['listed', { mode: 'listed', hosts: [] }],
  [
    'listed,docker.io,*.corp.example,10.1.0.7:5000',
    { mode: 'listed', hosts: ['docker.io', '*.corp.example', '10.1.0.7:5000'] },
  ],
])('KILN_BUILD_EGRESS reads %s', (text, egress) => {
  expect(read(text)).toEqual(egress);
});

test.each([
  ['closed', '"closed" is not one of open, guarded, listed'],
  ['open,10.0.0.0/8', 'open allows everything and takes no addresses'],
  ['guarded,registry.corp.example', 'is a host name; guarded filters packets by address'],
  ['guarded,fd00::/8', 'is an IPv6 address, and guarded builders have only IPv4'],
  ['guarded,10.0.0.0/33', 'is not an IPv4 address or network'],
  ['guarded,10.0.0.0/8/8', 'is not an IPv4 address or network'],
  ['listed,http://files.example.org', 'is neither a host name nor an IPv4 address'],
  ['listed,a/b', 'is neither a host name nor an IPv4 address'],
  ['listed,user@host', 'is neither a host name nor an IPv4 address'],
])('KILN_BUILD_EGRESS refuses %s and says why', (text, why) => {
  expect(() => read(text)).toThrow(InvalidEnvironment);
  expect(() => read(text)).toThrow(why);
  expect(() => read(text)).toThrow(/KILN_BUILD_EGRESS/);
});
