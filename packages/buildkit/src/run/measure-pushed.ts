import type { BuildSpec } from '@kiln/contracts';
import { isPushed } from '@kiln/domain';
import { BuildkitControl } from '../control/buildkit-control.ts';
import { imageBytes } from '../control/image-size.ts';
import type { RunHost } from './run-host.ts';

/** The size isn't worth a longer wait. */
const TIMEOUT_MS = 2_000;

/**
 * Measures the image that a build has pushed, by the manifests in BuildKit's own store: the registry isn't asked. Returns undefined if nothing was pushed, or
 * BuildKit doesn't have them.
 * @param metadata of buildx
 */
export async function measurePushed(
  { connectBuildkit, log }: Pick<RunHost, 'connectBuildkit' | 'log'>,
  { output }: Pick<BuildSpec, 'output'>,
  metadata: Readonly<Record<string, unknown>>,
): Promise<number | undefined> {
  const digest = metadata['containerimage.digest'];
  if (!isPushed(output) || typeof digest !== 'string') return undefined;
  try {
    await using control = await BuildkitControl.open(connectBuildkit);
    return await imageBytes(digest, (each) => control.content(each, TIMEOUT_MS));
  } catch (error) {
    log.info({ err: error, digest }, 'size of a pushed image not known');
    return undefined;
  }
}
