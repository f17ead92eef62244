import { setTimeout as delay } from 'node:timers/promises';
import type { MountOwner } from '@kiln/domain';
import { readTar } from '@kiln/trees';
import type { RunHost } from '../run/run-host.ts';
import type { Leftovers } from './leftovers.ts';
import { MOUNT_DIR, type MountPlace, newMark, OUTPUT_DIR, runOnMount } from './mount-run.ts';
import { SEEDING } from './seed-mount.ts';

/** How often a mount that a build has for itself is tried. */
const TRIES = 5;
const RETRY_MS = 2_000;

/**
 * Everything that GNU tar can keep, in the same order each time, and without what differs between two runs. 1 means that a file changed while it was read. The
 * attributes are those that a container's root may set.
 */
const SAVE = `cd ${MOUNT_DIR} && mkdir -p ${OUTPUT_DIR} || exit
tar -cf ${OUTPUT_DIR}/mount.tar --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \\
  --sort=name --numeric-owner --xattrs '--xattrs-include=user.*' --xattrs-include=security.capability --acls -S \\
  '--exclude=./${SEEDING}*' .
code=$?
[ "$code" -le 1 ] || exit "$code"
echo "kiln-saved: code $code entries $(find . -mindepth 1 -printf x | wc -c)"
`;
const SAVED = /kiln-saved: code (\d) entries +(\d+)/;

/** BuildKit has the mount, but gives it to no run like that of a snapshot. */
export class MountUnreachable extends Error {
  readonly code = 'mount_unreachable';
  constructor(id: string) {
    super(
      `cache mount ${JSON.stringify(id)} cannot be read: its RUN sets from=, or uid=, gid= or mode= in a build that this host hasn't seen yet, or a build had it for itself the whole time`,
    );
    this.name = 'MountUnreachable';
  }
}

/** What was read of a mount. */
export interface SavedMount {
  readonly entries: number;
  /** Whether a build changed a file while it was read. */
  readonly changed: boolean;
  /** What the RUNs that use it set for its directory. */
  readonly owner?: MountOwner;
}

/**
 * Reads a cache mount as a tar. Builds that begin meanwhile share the mount, or wait for it if they want it for themselves.
 * @param take reads the tar to its end. Called again, from the beginning, if a build had the mount
 * @throws MountUnreachable @throws SnapshotRunFailed @throws what `take` throws
 */
export async function saveMount(
  host: RunHost,
  leftovers: Leftovers,
  place: MountPlace,
  take: (content: AsyncIterable<Uint8Array>) => Promise<void>,
  signal: AbortSignal,
): Promise<SavedMount> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await saveOnce(host, leftovers, place, take, signal);
    } catch (error) {
      if (!(error instanceof MountUnreachable) || tries === TRIES) throw error;
      const isHeld = await leftovers.isInUse(`${place.namespace}/${place.id}`);
      // The build that had it may have ended since.
      if (!isHeld && tries > 1) throw error;
      if (isHeld) await delay(RETRY_MS, undefined, { signal });
    }
  }
}

async function saveOnce(
  host: RunHost,
  leftovers: Leftovers,
  place: MountPlace,
  take: (content: AsyncIterable<Uint8Array>) => Promise<void>,
  signal: AbortSignal,
): Promise<SavedMount> {
  const mark = newMark();
  let failure: { readonly error: unknown } | undefined;
  await leftovers.begin(mark);
  try {
    const printed = await runOnMount(
      host,
      {
        ...{ mark, place, sharing: 'shared', script: SAVE },
        async output(stream) {
          try {
            for await (const { name, type, content } of readTar(stream)) {
              if (type !== 'file' || name !== 'mount.tar') continue;
              // A mount that isn't the builds' own is a new, empty one.
              if ((await leftovers.mountsOf(mark)).length > 0) throw new MountUnreachable(place.id);
              await take(content);
            }
          } catch (error) {
            failure = { error };
            throw error;
          }
          return { digest: '', sizeBytes: 0 };
        },
      },
      signal,
    );
    const [, code, entries] = SAVED.exec(printed) ?? [];
    const { owner } = place;
    return { entries: Number(entries), changed: code === '1', ...(owner && { owner }) };
  } catch (error) {
    throw failure ? failure.error : error;
  } finally {
    await leftovers.end(mark, false);
  }
}
