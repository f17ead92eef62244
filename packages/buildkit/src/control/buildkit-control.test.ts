import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { BuildkitControl } from './buildkit-control.ts';

test('fails if BuildKit does not answer or closes the connection, and opens no other one by itself', async () => {
  const mute = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  {
    await using control = await BuildkitControl.open(async () => mute);
    await expect(control.diskUsage(50)).rejects.toThrow('BuildKit: DiskUsage: no answer within 50 ms');
  }
  const gone = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  let connections = 0;
  await using control = await BuildkitControl.open(async () => {
    connections += 1;
    return gone;
  });
  await expect(control.diskUsage()).rejects.toThrow('BuildKit: DiskUsage: ');
  await expect(control.diskUsage()).rejects.toThrow('BuildKit: DiskUsage: ');
  expect(connections).toBe(1);
});
