import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { InvalidEnvironment, readEnv } from '../env.ts';
import { allowedHosts } from './allowed-hosts.ts';
import { OutgoingGuard, type Resolve } from './outgoing-guard.ts';

const allowed = (text: string) => readEnv(z.object({ KILN_ALLOWED_HOSTS: allowedHosts }), { KILN_ALLOWED_HOSTS: text });
/** A guard that finds `addresses` for every name; of several answers each is given once, the last for ever. */
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
  ])('%s is refused, by itself and as what a name resolves to', async (address) => {
    await expect(guard('').check(address)).rejects.toMatchObject({ code: 'address_refused' });
    await expect(guard('', [address]).check('git.example')).rejects.toMatchObject({ host: 'git.example' });
    await expect(guard('', ['93.184.216.34', address]).check('git.example')).rejects.toThrow(/KILN_ALLOWED_HOSTS/);
  });

  test.each(['93.184.216.34', '2606:2800:220:1::1', '::ffff:93.184.216.34', '64:ff9b::5db8:d822'])(
    '%s is not',
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
    ['private', 'x.example', '100.100.100.200', false],
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
    '%j is no setting',
    (text) => {
      expect(() => allowed(text)).toThrow(InvalidEnvironment);
    },
  );
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

  test('goes where it may', async () => {
    await using open = guard('git.example', ['127.0.0.1']);
    expect(await (await open.fetch(`http://git.example:${port}/a`)).text()).toBe('secret');
    expect(asked).toEqual([`git.example:${port} /a`]);
  });

  test('is refused at a name of a private address, and at the address itself, in whatever notation', async () => {
    asked.length = 0;
    await using closed = guard('', ['127.0.0.1']);
    for (const host of ['git.example', '127.0.0.1', '2130706433', '0x7f.1', '[::ffff:7f00:1]', 'localhost']) {
      await expect(closed.fetch(`http://${host}:${port}/`)).rejects.toEqual(refused('loopback'));
    }
    expect(asked).toEqual([]);
  });

  test('is refused where a redirect leads, by name or address, that it may not reach', async () => {
    for (const target of [`http://inner.example:${port}/`, `http://127.0.0.1:${port}/`]) {
      asked.length = 0;
      await using open = guard('git.example', ['127.0.0.1']);
      const going = open.fetch(`http://git.example:${port}/?to=${encodeURIComponent(target)}`);
      await expect(going).rejects.toEqual(refused('loopback'));
      expect(asked).toHaveLength(1);
    }
  });

  test('is refused when the name has another address by the time of the connection', async () => {
    asked.length = 0;
    await using closed = guard('', ['93.184.216.34'], ['127.0.0.1']);
    await closed.check('rebound.example');
    await expect(closed.fetch(`http://rebound.example:${port}/`)).rejects.toEqual(refused('loopback'));
    expect(asked).toEqual([]);
  });
});
