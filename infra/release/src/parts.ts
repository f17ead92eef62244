import { join } from 'node:path';
import type { ReleaseParts } from './release.ts';
import { run } from './run.ts';

/** What the images are called; Compose finds them by `KILN_IMAGE_PREFIX` and `KILN_VERSION`. */
const PREFIX = 'kiln/';
const IMAGES = ['api', 'scheduler', 'worker', 'cli'];

/** Makes the parts by npm and this machine's Docker Engine. */
export const REAL_PARTS: ReleaseParts = {
  async pack(root, dir) {
    await run('npm', ['pack', '--pack-destination', dir], join(root, 'apps/cli'));
  },

  async images(root, dir) {
    const version = await run('bash', [join(root, 'infra/images/build'), '--prefix', PREFIX, ...IMAGES], root);
    for (const image of IMAGES) {
      await run(
        'docker',
        ['save', '--output', join(dir, `kiln-${image}-${version}.tar`), `${PREFIX}${image}:${version}`],
        root,
      );
    }
  },

  say: (line) => void process.stderr.write(`release: ${line}\n`),
};
