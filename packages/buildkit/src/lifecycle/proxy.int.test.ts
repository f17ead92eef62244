import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDns } from '../testing/dns-server.ts';
import { OwnAddress } from '../testing/own-address.ts';
import { SettingsLab } from '../testing/settings-lab.ts';
import { BASE, smallRoot } from '../testing/small-root.ts';
import { startProxy, type TestProxy } from '../testing/test-proxy.ts';

const HELPER = [
  '/usr/lib/apt/apt-helper',
  '/usr/lib/apt/methods/http',
  '/usr/bin/dpkg',
  '/usr/bin/getent',
  '/bin/mkdir',
  '/usr/share/dpkg/cputable',
  '/usr/share/dpkg/tupletable',
];
const OPTIONS = '-o APT::Sandbox::User=root -o Acquire::Retries=0';
const NAME = 'files.corp.invalid';

let place: OwnAddress;
let files: ReturnType<typeof createServer>;
let own: SettingsLab;
let proxy: TestProxy;
const filesAt = () => `${place.address}:${(files.address() as AddressInfo).port}`;

beforeAll(async () => {
  place = new OwnAddress();
  files = createServer((request, response) => response.end(`content of ${request.url}\n`)).listen(0, place.address);
  await once(files, 'listening');
  own = await SettingsLab.open(await smallRoot(HELPER));
  proxy = await startProxy(place.address, { [NAME]: filesAt() });
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await own[Symbol.asyncDispose]();
  files.closeAllConnections();
  files.close();
  place[Symbol.dispose]();
});

/** Downloads a URL with apt's own program, which honours `http_proxy`, in a step. */
const download = (url: string) =>
  `RUN mkdir -p /tmp /etc/apt/apt.conf.d /var/lib/dpkg && /usr/lib/apt/apt-helper ${OPTIONS} download-file ${url} /tmp/got && cat /tmp/got`;

describe('a proxy', () => {
  test('is used by BuildKit and by steps, and its password is in no log', async () => {
    const [forAdd, forRun] = [randomUUID(), randomUUID()];
    const dockerfile = `${BASE}\nADD http://${NAME}/${forAdd} /x\n${download(`http://${NAME}/${forRun}`)} && echo $http_proxy`;
    const settings = { proxy: { http: proxy.url, for: 'both' } } as const;
    const { outcome, output, records } = await own.buildWith(settings, { dockerfile });
    expect(outcome).toMatchObject({ end: 'succeeded' });
    expect(output).toContain(`content of /${forRun}`);
    expect(proxy.asked).toEqual(
      expect.arrayContaining([`GET http://${NAME}/${forAdd}`, `GET http://${NAME}/${forRun}`]),
    );
    expect(output).toMatch(/http:\/\/\*\*\*@10\.97\./);
    expect(records).not.toContain(proxy.password);
  });

  test('leads BuildKit to a registry by CONNECT', async () => {
    const settings = { proxy: { https: proxy.url, for: 'builder' } } as const;
    await own.buildWith(settings, { dockerfile: 'FROM registry.corp.invalid/x:1' });
    expect(proxy.asked).toContain('CONNECT registry.corp.invalid:443');
  });

  test('that changes leaves cached steps cached', async () => {
    const build = { dockerfile: `${BASE}\nRUN echo ${randomUUID()}` };
    const first = await own.buildWith({ proxy: { http: proxy.url, for: 'builds' } }, build);
    const second = await own.buildWith({ proxy: { http: 'http://other.invalid:1', for: 'builds' } }, build);
    expect([first.outcome.steps, second.outcome.steps]).toEqual([
      { total: 2, cached: expect.any(Number) },
      { total: 2, cached: 2 },
    ]);
  });

  test('of the builder only is not visible to steps', async () => {
    const dockerfile = `${BASE}\nRUN echo "<$http_proxy$HTTP_PROXY>" # ${randomUUID()}`;
    const { output } = await own.buildWith({ proxy: { http: proxy.url, for: 'builder' } }, { dockerfile });
    expect(output).toBe('<>\n');
  });
});

test('DNS servers answer BuildKit and steps', async () => {
  const name = 'mirror.corp.internal';
  await using dns = await startDns(place.address, { [name]: place.address });
  const port = filesAt().split(':')[1];
  const dockerfile = `${BASE}\nADD http://${name}:${port}/${randomUUID()} /x\nRUN getent ahostsv4 mirror && cat /etc/resolv.conf`;
  const settings = { dns: { servers: [place.address], search: ['corp.internal'], options: ['ndots:3'] } };
  const { outcome, output } = await own.buildWith(settings, { dockerfile });
  expect(outcome).toMatchObject({ end: 'succeeded' });
  expect(output).toContain(place.address);
  expect(output).toMatch(/^options.*ndots:3/m);
  expect(dns.asked).toContain(name);
});
