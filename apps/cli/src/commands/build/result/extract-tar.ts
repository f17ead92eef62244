import { NotADirectory, quoted, TarFault, unpackTar } from '@kiln/trees';
import { UsageError } from '../../../io/errors.ts';

/** Drops setuid, setgid and sticky bits: files of a build must not run with other rights here. */
const MODE_MASK = 0o777;

/**
 * Unpacks a tar below `root`, over existing files. The tar comes from a build and isn't trusted: nothing outside `root` is written or
 * changed, not even through a link. @throws UsageError for an entry that tries to, or that can't be unpacked
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
  return new UsageError(`the artifact ${what}, expected ${expected}; to get it unchanged, use -o type=tar,dest=FILE`);
}
