import { InvalidEnvironment, readEnv } from '@kiln/runtime';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openMetrics } from './open-metrics.ts';
import { metricsEnv, serveMetrics } from './serve-metrics.ts';

const read = (text: string) => readEnv(z.object(metricsEnv), { KILN_METRICS_LISTEN: text }).KILN_METRICS_LISTEN;

test.for([
  ['9090', { host: '127.0.0.1', port: 9090 }],
  ['0.0.0.0:9090', { host: '0.0.0.0', port: 9090 }],
  ['[::]:0', { host: '::', port: 0 }],
  ['metrics.internal:9090', { host: 'metrics.internal', port: 9090 }],
] as const)('KILN_METRICS_LISTEN=%s is read as an address, on the loopback interface by default', ([text, address]) => {
  expect(read(text)).toEqual(address);
});

test.for(['', ':9090', 'localhost', '::1:9090', '65536', 'a b:1'].slice(1))(
  'KILN_METRICS_LISTEN=%s is refused',
  (text) => {
    expect(() => read(text)).toThrow(InvalidEnvironment);
    expect(() => read(text)).toThrow(/KILN_METRICS_LISTEN: got ".*", expected \[host:\]port/);
  },
);

test('the listener serves metrics and nothing else', async () => {
  const metrics = await openMetrics(['scheduler']);
  await using server = await serveMetrics({ host: '127.0.0.1', port: 0 }, metrics);
  const get = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${server.port}${path}`, { method });
  const scraped = await get('/metrics');
  expect(scraped.status).toBe(200);
  expect(scraped.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await scraped.text()).toContain('# TYPE kiln_scheduler_leader gauge');
  expect((await get('/')).status).toBe(404);
  expect((await get('/metrics', 'POST')).status).toBe(404);
  metrics.close();
});
