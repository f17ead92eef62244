import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { InvalidEnvironment, readEnv } from '../env.ts';
import { allowedHosts } from './allowed-hosts.ts';
import { OutgoingGuard, type Resolve } from './outgoing-guard.ts';

const allowed = (text: string) => readEnv(z.object({ KILN_ALLOWED_HOSTS: allowedHosts }), { KILN_ALLOWED_HOSTS: text });
/** A guard that resolves every name to these addresses; of several answers, each is given once and the last one repeated. */
function guard(text: string, ...answers: readonly string[][]): OutgoingGuard {
  const left = [...answers];
  const resolve: Resolve = async () => {
    const addresses = (left.length > 1 ? left.shift() : left[0]) ?? [];
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
  return new OutgoingGuard(allowed(text).KILN_ALLOWED_HOSTS, resolve);
}

describe('addresses', () => {
  test.each([
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '169.254.1.1',
    '169.254.169.254',
    '168.63.129.16',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    'fc00::1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::a00:1',
    '2002:7f00:1::',
    '[::1]',
    // IPv4-compatible, translated, Teredo's server and client, NAT64 of a network's own, ISATAP; IPv6 that nobody routes.
    ...['::7f00:1', '::10.0.0.1', '::ffff:0:7f00:1', '2001:0:7f00:1::1', '2001:0:5db8:d822:0:0:80ff:fffe'],
    ...['64:ff9b:1::7f00:1', '64:ff9b:1:7f00:0:100::', '2600::5efe:7f00:1', '2600::200:5efe:a9fe:a9fe'],
    ...['4000::1', '1::1', 'fec0::1', '5f00::1', '2001:db8::1'],
    // Metadata.
    ...['fd20:ce::254', 'fd00:ec2::253', 'fd00:c1::a9fe:a9fe', '169.254.170.2', '192.0.0.192', '::ffff:a9fe:a9fe'],
    ...['64:ff9b::a9fe:a9fe', '::a9fe:a9fe', '64:ff9b::a83f:8110'],
  ])('%s is refused, also if a name resolves to it', async (address) => {
    await expect(guard('').check(address)).rejects.toMatchObject({ code: 'address_refused' });
    await expect(guard('', [address]).check('git.example')).rejects.toMatchObject({ host: 'git.example' });
    await expect(guard('', ['93.184.216.34', address]).check('git.example')).rejects.toThrow(/KILN_ALLOWED_HOSTS/);
  });

  test.each(['93.184.216.34', '2606:2800:220:1::1', '::ffff:93.184.216.34', '64:ff9b::5db8:d822'])(
    '%s is allowed',
    async (address) => {
      expect(await guard('', [address]).check('git.example')).toEqual([address]);
    },
  );

  test.each([
    ['git.corp.example', 'git.corp.example', '10.0.0.1', true],
    ['git.corp.example', 'GIT.corp.example.', '10.0.0.1', true],
    ['git.corp.example', 'other.corp.example', '10.0.0.1', false],
    ['*.corp.example', 'git.corp.example', '10.0.0.1', true],
    ['*.corp.example', 'corp.example', '10.0.0.1', false],
    ['*.corp.example', 'evilcorp.example', '10.0.0.1', false],
    ['10.1.0.0/16', 'x.example', '10.1.9.9', true],
    ['10.1.0.0/16', 'x.example', '10.2.0.1', false],
    ['10.1.0.7, 127.0.0.1', '127.0.0.1', '127.0.0.1', true],
    ['10.1.0.7', 'x.example', '::ffff:10.1.0.7', true],
    ['private', 'x.example', '192.168.3.3', true],
    ['private', 'x.example', '127.0.0.1', false],
    ['private', 'x.example', 'fd12::1', true],
    ['private', 'x.example', 'fd00:ec2::254', false],
    ['private', 'x.example', 'fd00:ec2::23', false],
    ['private', 'x.example', 'fd20:ce::254', false],
    ['private', 'x.example', '100.100.100.200', false],
    ['private', 'x.example', '::7f00:1', false],
    ['private', 'x.example', '::10.0.0.1', false],
    ['private,loopback', 'x.example', '2002:7f00:1::', false],
    ['169.254.0.0/16, fc00::/7', 'x.example', '169.254.169.254', false],
    ['169.254.0.0/16, fc00::/7', 'x.example', 'fd20:ce::254', false],
    ['169.254.0.0/16', 'x.example', '169.254.7.7', true],
    ['x.example', 'x.example', '168.63.129.16', false],
    ['x.example', 'x.example', '64:ff9b::168.63.129.16', false],
    ['*', 'x.example', '2002:a9fe:a9fe::', false],
    ['*', 'x.example', '2002:7f00:1::', true],
    ['fd20:ce::254', 'x.example', 'fd20:ce::254', true],
    ['::ffff:10.0.0.0/104', 'x.example', '10.7.7.7', true],
    ['::ffff:169.254.169.254', 'x.example', '169.254.169.254', true],
    ['loopback', 'localhost', '::1', true],
    ['*', 'x.example', '10.0.0.1', true],
    ['*', 'x.example', '169.254.169.254', false],
    ['169.254.169.254', 'x.example', '169.254.169.254', true],
  ])('with %j, %s at %s is allowed: %s', async (text, host, address, is) => {
    const found = guard(text, [address])
      .check(host)
      .then(
        () => true,
        () => false,
      );
    expect(await found).toBe(is);
  });

  test.each(['10.0.0.0/33', 'http://git.example', 'a b', '1.2.3', 'git.example:443', 'x/y', '-a'])(
    '%j is refused as a setting',
    (text) => {
      expect(() => allowed(text)).toThrow(InvalidEnvironment);
    },
  );
});

describe('an IPv4 address in an IPv6 one', () => {
  const hex = (bytes: readonly number[], at: number) =>
    (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16).padStart(4, '0');
  /** Every format that embeds an IPv4 address, as a function of its bytes. */
  const FORMATS: Readonly<Record<string, (bytes: readonly number[]) => string>> = {
    mapped: (v4) => `::ffff:${hex(v4, 0)}:${hex(v4, 2)}`,
    dotted: (v4) => `::ffff:${v4.join('.')}`,
    compatible: (v4) => `::${v4.join('.')}`,
    translated: (v4) => `::ffff:0:${hex(v4, 0)}:${hex(v4, 2)}`,
    nat64: (v4) => `64:ff9b::${v4.join('.')}`,
    'nat64 of its own /96': (v4) => `64:ff9b:1::${v4.join('.')}`,
    'nat64 of its own /48': (v4) =>
      `64:ff9b:1:${hex(v4, 0)}:${hex([0, ...v4], 2).replace(/^../, '00')}:${hex([...v4, 0], 3)}::`,
    '6to4': (v4) => `2002:${hex(v4, 0)}:${hex(v4, 2)}::1`,
    'teredo server': (v4) => `2001:0:${hex(v4, 0)}:${hex(v4, 2)}::1`,
    'teredo client': (v4) =>
      `2001:0:5db8:d822:0:0:${hex(
        v4.map((byte) => byte ^ 255),
        0,
      )}:${hex(
        v4.map((byte) => byte ^ 255),
        2,
      )}`,
    isatap: (v4) => `2600::5efe:${hex(v4, 0)}:${hex(v4, 2)}`,
  };
  const isRefused = (text: string, address: string) =>
    guard(text)
      .check(address)
      .then(
        () => false,
        () => true,
      );
  const octet = fc.integer({ min: 0, max: 255 });
  const special = fc.constantFrom(
    [127, 0, 0, 1],
    [10, 0, 0, 1],
    [169, 254, 169, 254],
    [168, 63, 129, 16],
    [100, 100, 100, 200],
  );

  test.each(Object.keys(FORMATS))('is refused as %s wherever it is refused by itself', async (format) => {
    const any = fc.oneof(special, fc.tuple(octet, octet, octet, octet));
    const allowing = fc.constantFrom('', 'private', 'loopback', 'private, loopback', '169.254.0.0/16', '*');
    const property = fc.asyncProperty(any, allowing, async (v4, text) => {
      if (await isRefused(text, v4.join('.'))) {
        expect(await isRefused(text, FORMATS[format]?.(v4) ?? '')).toBe(true);
      }
    });
    await fc.assert(property, { numRuns: 100 });
  });
});

describe('fetch', () => {
  let server: Server;
  let port: number;
  const asked: string[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(`${request.headers.host} ${request.url}`);
      const location = new URL(request.url ?? '', 'http://x').searchParams.get('to');
      if (location === null) response.end('secret');
      else response.writeHead(302, { location }).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => void server.close());

  const refused = (text: string) =>
    expect.objectContaining({ cause: expect.objectContaining({ message: expect.stringContaining(text) }) });

  test('reaches an allowed host', async () => {
    await using open = guard('git.example', ['127.0.0.1']);
    expect(await (await open.fetch(`http://git.example:${port}/a`)).text()).toBe('secret');
    expect(asked).toEqual([`git.example:${port} /a`]);
  });

  test('is refused for a name with a private address, and for the address in any notation', async () => {
    asked.length = 0;
    await using closed = guard('', ['127.0.0.1']);
    for (const host of ['git.example', '127.0.0.1', '2130706433', '0x7f.1', '[::ffff:7f00:1]', 'localhost']) {
      await expect(closed.fetch(`http://${host}:${port}/`)).rejects.toEqual(refused('loopback'));
    }
    expect(asked).toEqual([]);
  });

  test('is refused after a redirect to a host that may not be reached', async () => {
    for (const target of [`http://inner.example:${port}/`, `http://127.0.0.1:${port}/`]) {
      asked.length = 0;
      await using open = guard('git.example', ['127.0.0.1']);
      const going = open.fetch(`http://git.example:${port}/?to=${encodeURIComponent(target)}`);
      await expect(going).rejects.toEqual(refused('loopback'));
      expect(asked).toHaveLength(1);
    }
  });

  test('is refused if the name resolves to another address by the time of the connection', async () => {
    asked.length = 0;
    await using closed = guard('', ['93.184.216.34'], ['127.0.0.1']);
    await closed.check('rebound.example');
    await expect(closed.fetch(`http://rebound.example:${port}/`)).rejects.toEqual(refused('loopback'));
    expect(asked).toEqual([]);
  });
});
