import { expect, it } from 'vitest';
import { runIn } from '../../testing/run.ts';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();

it('kiln host show NAME shows what is set for the host’s builders, as the worker has reported it', async () => {
  await cli.pool.report('netted', {
    network: {
      mirrors: { 'docker.io': ['m.example:5000', 'n.example/hub'] },
      plainHttp: ['m.example:5000'],
      insecureSkipVerify: ['old.example'],
      authorities: [
        { subject: 'CN=Corp Root', expiresAt: '2999-01-02T00:00:00.000Z' },
        { registry: 'r.example', subject: 'CN=Old Root', expiresAt: '2001-01-02T00:00:00.000Z' },
      ],
      proxy: { https: 'http://***@proxy.example:3128', no: 'localhost', for: 'builder' },
      dns: { servers: ['10.0.0.53'], search: ['corp.example'], options: ['ndots:2'] },
      maxParallelism: 4,
      limits: { memoryBytes: 2e9, cpus: 1.5, pids: 500 },
      configKeys: ['debug'],
    },
  });
  const { out } = await runIn(cli.io(), 'hosts netted');
  expect(out.split('\n')).toEqual(
    expect.arrayContaining([
      'mirrors docker.io: m.example:5000, n.example/hub',
      'http    m.example:5000',
      'unsafe  certificates not verified: old.example',
      'CA      CN=Corp Root, until 2999-01-02',
      'CA      r.example: CN=Old Root, EXPIRED 2001-01-02',
      'proxy   https http://***@proxy.example:3128; not localhost (builder)',
      'dns     10.0.0.53; search corp.example; options ndots:2',
      'steps   at most 4 at a time, memory 2.00GB, 1.5 CPUs, 500 processes for each builder',
      'config  debug',
    ]),
  );
  const json = JSON.parse((await runIn(cli.io(), 'hosts netted --json')).out);
  expect(json.network).toMatchObject({ maxParallelism: 4, configKeys: ['debug'] });
  await cli.pool.report('plain');
  expect((await runIn(cli.io(), 'hosts plain')).out).not.toMatch(/^(?:mirrors|proxy|steps)/m);
});
