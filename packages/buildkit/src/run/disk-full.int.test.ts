import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { begin, FROM, IMAGES, lab } from '../testing/lab.ts';
import { startPrivateEngine } from '../testing/private-engine.ts';

/** The images take some 900 MB. */
const DISK_BYTES = 1_600_000_000;

test('fails a build that fills the disk with disk_full, and runs the next one that fits', async () => {
  await using own = await startPrivateEngine([IMAGES.tool, IMAGES.debian], DISK_BYTES);
  const scratchDir = join(own.dir, 'scratch');
  await mkdir(scratchDir);
  await using on = await lab({ dockerSocket: own.socket, engineSocketPath: own.innerSocket, scratchDir });
  const huge = begin(on.builder, { dockerfile: `${FROM}\nRUN head -c ${DISK_BYTES} /dev/zero > /huge` });
  expect(await huge.outcome).toMatchObject({
    end: 'failed',
    failure: { code: 'disk_full', step: expect.stringContaining('RUN head') },
  });
  // BuildKit removes what the build had written only after its end.
  const small = async () => (await begin(on.builder, { dockerfile: `${FROM}\nRUN echo small > /small` }).outcome).end;
  await expect.poll(small, { timeout: 60_000, interval: 500 }).toBe('succeeded');
}, 180_000);
