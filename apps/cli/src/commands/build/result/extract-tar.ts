import { NotADirectory, quoted, TarFault, unpackTar } from '@kiln/trees';
import { UsageError } from '../../../io/errors.ts';

/** Of what a build made, nothing runs with another's rights here. */
const MODE_MASK = 0o777;

/**
 * Unpacks a tar below `root`, over what is there. The tar comes from a build, so it isn't trusted: nothing is written or changed
 * outside of `root`, not through a link either. Throws `UsageError` at an entry that tries, or that can't be unpacked.
 */
export async function extractTar(bytes: AsyncIterable<Uint8Array>, root: string): Promise<void> {
  try {
    await unpackTar(bytes, root, { modeMask: MODE_MASK, allowBinaryAttributes: true });
  } catch (error) {
    throw explained(error, root);
  }
}

function explained(error: unknown, root: string): unknown {
  if (error instanceof NotADirectory) {
    return new UsageError(
      `the artifact would be written through ${quoted(error.path)} in ${root}, which isn't a directory`,
    );
  }
  if (!(error instanceof TarFault)) return error;
  const { entry, got, expected } = error;
  const what = entry === undefined ? `is ${got}` : `has ${quoted(entry)}: got ${got}`;
  return new UsageError(`the artifact ${what}, expected ${expected}; to get it as it is use -o type=tar,dest=FILE`);
}
