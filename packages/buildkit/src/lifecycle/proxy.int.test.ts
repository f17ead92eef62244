import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
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

test('a proxy is used by BuildKit and by steps, its password is in no log, and a step stays cached when it changes', async () => {
  const [forAdd, forRun] = [randomUUID(), randomUUID()];
  const dockerfile = `${BASE}\nADD http://${NAME}/${forAdd} /x\n${download(`http://${NAME}/${forRun}`)} && echo $http_proxy`;
  const cached = { dockerfile: `${BASE}\nRUN echo ${randomUUID()}` };
  const both = { proxy: { http: proxy.url, for: 'both' } } as const;
  const [used, first] = await own.buildsWith(both, [{ dockerfile, network: true }, cached]);
  expect(used.outcome).toMatchObject({ end: 'succeeded' });
  expect(used.output).toContain(`content of /${forRun}`);
  expect(proxy.asked).toEqual(expect.arrayContaining([`GET http://${NAME}/${forAdd}`, `GET http://${NAME}/${forRun}`]));
  expect(used.output).toMatch(/http:\/\/\*\*\*@10\.97\./);
  expect(used.records).not.toContain(proxy.password);

  expect(first.outcome.steps).toEqual({ total: 2, cached: expect.any(Number) });
  const builds = { proxy: { http: 'http://other.invalid:1', for: 'builds' } } as const;
  const shown = { dockerfile: `${BASE}\nRUN echo "<$http_proxy>" # ${randomUUID()}` };
  const [second, step, direct] = await own.buildsWith(builds, [
    cached,
    shown,
    { dockerfile: `FROM scratch\nADD http://${filesAt()}/${randomUUID()} /x` },
  ]);
  expect(second.outcome.steps).toEqual({ total: 2, cached: 2 });
  expect(step.output).toBe('<http://other.invalid:1>\n');
  expect(direct.outcome).toMatchObject({ end: 'succeeded' });
});

test('a proxy of the builder only leads it to a registry by CONNECT, and steps do not see it; DNS servers answer both', async () => {
  const name = 'mirror.corp.internal';
  await using dns = await startDns(place.address, { [name]: place.address });
  const port = filesAt().split(':')[1];
  const settings = {
    proxy: { https: proxy.url, for: 'builder' },
    dns: { servers: [place.address], search: ['corp.internal'], options: ['ndots:3'] },
  } as const;
  const [, resolved, hidden] = await own.buildsWith(settings, [
    { dockerfile: 'FROM registry.corp.invalid/x:1' },
    {
      dockerfile: `${BASE}\nADD http://${name}:${port}/${randomUUID()} /x\nRUN getent ahostsv4 mirror && cat /etc/resolv.conf`,
      network: true,
    },
    { dockerfile: `${BASE}\nRUN echo "<$https_proxy$HTTPS_PROXY$http_proxy$HTTP_PROXY>" # ${randomUUID()}` },
  ]);
  expect(proxy.asked).toContain('CONNECT registry.corp.invalid:443');
  expect(hidden.output).toBe('<>\n');
  expect(resolved.outcome).toMatchObject({ end: 'succeeded' });
  expect(resolved.output).toContain(place.address);
  expect(resolved.output).toMatch(/^options.*ndots:3/m);
  expect(dns.asked).toContain(name);
});
