import type Docker from 'dockerode';
import { callEngine } from '../engine/engine.ts';
import { hasImage } from '../engine/engine-images.ts';
import type { Logger } from '../engine/logger.ts';

const REPO = 'kiln-tool';
const ID_CHARS = 12;
const TIMEOUT_MS = 120_000;
const OUTPUT_LINES = 20;
/** With the image's own package manager: Alpine's, as in docker:cli, or Debian's. */
const ADD = `if command -v apk > /dev/null; then exec apk add --no-cache tar findutils coreutils; fi
apt-get update && exec apt-get install --yes --no-install-recommends tar findutils coreutils`;

/**
 * Returns an image that has GNU's tar, xargs and touch beside what `image` has, which must be there. It is made once for each version of `image`, and needs
 * a connection to its distribution's packages then. Undefined if it can't be made.
 */
export async function treeToolImage(engine: Docker, image: string, log: Logger): Promise<string | undefined> {
  try {
    const { Id } = await callEngine(`inspect image ${image}`, () => engine.getImage(image).inspect());
    const tag = Id.replace('sha256:', '').slice(0, ID_CHARS);
    const made = `${REPO}:${tag}`;
    if (await hasImage(engine, made)) return made;
    log.info({ image, made }, 'adding GNU tar, xargs and touch to the tool image');
    await make(engine, image, tag);
    return made;
  } catch (error) {
    log.warn({ err: error, image }, 'GNU tools could not be added to the tool image');
    return undefined;
  }
}

async function make(engine: Docker, image: string, tag: string): Promise<void> {
  const container = await callEngine('create a container for the tool image', (abortSignal) =>
    engine.createContainer({
      ...{ Image: image, Entrypoint: ['/bin/sh', '-c', ADD], Cmd: [], User: '0:0', Tty: true },
      ...{ Labels: { 'kiln.tool-image': tag }, abortSignal },
    }),
  );
  try {
    await callEngine('start the container for the tool image', (abortSignal) => container.start({ abortSignal }));
    const waiting = (abortSignal: AbortSignal) => container.wait({ abortSignal }) as Promise<{ StatusCode: number }>;
    const { StatusCode } = await callEngine('add packages to the tool image', waiting, TIMEOUT_MS);
    if (StatusCode !== 0) {
      const output = await container.logs({ stdout: true, stderr: true, tail: OUTPUT_LINES });
      throw new Error(`exit code ${StatusCode}: ${output.toString('utf8').trim()}`);
    }
    await callEngine('store the tool image', () =>
      container.commit({ repo: REPO, tag, changes: ['ENTRYPOINT []', 'CMD ["/bin/sh"]'].join('\n') }),
    );
  } finally {
    await container.remove({ force: true, v: true }).catch(() => undefined);
  }
}
