import type { RunHost } from '../run/run-host.ts';
import type { Leftovers } from './leftovers.ts';
import { INPUT_DIR, MOUNT_DIR, type MountPlace, newMark, runOnMount } from './mount-run.ts';
import { SnapshotRunFailed } from './own-run.ts';

/** Prefix of the directory in a mount that is being filled. */
export const SEEDING = '.kiln-seed-';
/** Printed if the mount has contents already. */
const KEPT = 'kiln-kept';

/**
 * Unpacks the tar beside the mount's contents, and moves it into place when it is complete, so that a run that is cut off leaves nothing where a build looks. In the
 * end the first entry is unpacked again: it is the mount's own directory, with its owner, mode and time.
 */
const SEED = `cd ${MOUNT_DIR} || exit
[ -z "$(find . -mindepth 1 -maxdepth 1 -printf x)" ] || { echo ${KEPT}; exit 73; }
tar='tar --numeric-owner --same-owner -p --xattrs --xattrs-include=user.* --xattrs-include=security.capability --acls --warning=no-timestamp -xf ${INPUT_DIR}/mount.tar'
new=${SEEDING}$0
set -f
mkdir "$new" && $tar --delay-directory-restore -C "$new" || exit
find "$new" -mindepth 1 -maxdepth 1 -exec mv -t . -- {} + && rmdir "$new" || exit
$tar --no-recursion --occurrence=1 ./ && echo kiln-seeded
`;

/**
 * Fills a cache mount that the builder doesn't have with the contents of a tar from `saveMount`. A build that begins meanwhile gets another mount with the same
 * id, or waits. If the run is cut off, even with this process, the mount is removed before the next build.
 * @returns `kept` if the mount has contents already: then it stays as it is
 * @throws SnapshotRunFailed @throws what `content` throws
 */
export async function seedMount(
  host: RunHost,
  leftovers: Leftovers,
  place: MountPlace,
  tar: { readonly sizeBytes: number; readonly content: AsyncIterable<Uint8Array> },
  signal: AbortSignal,
): Promise<'seeded' | 'kept'> {
  const mark = newMark();
  let failure: { readonly error: unknown } | undefined;
  async function* content(): AsyncGenerator<Uint8Array> {
    try {
      yield* tar.content;
    } catch (error) {
      failure = { error };
      throw error;
    }
  }
  await leftovers.begin(mark);
  let isWhole = false;
  try {
    const input = { sizeBytes: tar.sizeBytes, content: content() };
    await runOnMount(host, { mark, place, sharing: 'locked', script: SEED, input }, signal);
    isWhole = true;
    return 'seeded';
  } catch (error) {
    if (failure) throw failure.error;
    if (error instanceof SnapshotRunFailed && error.output.includes(KEPT)) return 'kept';
    throw error;
  } finally {
    await leftovers.end(mark, isWhole);
  }
}
