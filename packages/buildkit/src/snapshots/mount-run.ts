import { randomBytes } from 'node:crypto';
import type { MountOwner } from '@kiln/domain';
import type { RunHost } from '../run/run-host.ts';
import type { RunRequest } from '../run/run-request.ts';
import { runOwn } from './own-run.ts';

/** Longest run of one mount, seconds. */
const TIMEOUT_SECONDS = 6 * 3_600;
const MARK = 'kiln-snapshot-';

/** Where the run's container has the mount, and the files given to it. */
export const MOUNT_DIR = '/kiln/mount';
export const INPUT_DIR = '/kiln/in';
export const OUTPUT_DIR = '/kiln/out';

/** A cache mount of a builder. */
export interface MountPlace {
  /** Namespace of its id: see `cacheNamespace`. */
  readonly namespace: string;
  /** Its id without the namespace. */
  readonly id: string;
  /** What the RUNs that use it set for its directory, if they do: BuildKit has another mount for each combination. */
  readonly owner?: MountOwner | undefined;
}

export interface MountRun {
  readonly mark: string;
  readonly place: MountPlace;
  /** `locked`: no build gets the mount while the run has it. `shared`: builds that use it at the same time share it. */
  readonly sharing: 'locked' | 'shared';
  /** Runs in the container, as root, by `sh`. */
  readonly script: string;
  /** A file `mount.tar` for the container. */
  readonly input?: { readonly sizeBytes: number; readonly content: AsyncIterable<Uint8Array> };
  /** Takes a tar of `OUTPUT_DIR` as it is after the script. */
  readonly output?: NonNullable<RunRequest['artifact']>;
}

/** Returns a name that no other run has. BuildKit shows it in the description of each record that the run leaves. */
export function newMark(): string {
  return `${MARK}${randomBytes(10).toString('hex')}`;
}

/** Returns the options of a RUN's cache mount that set its directory's owner and mode. */
export function ownerOptions({ uid, gid, mode }: MountOwner): string {
  return `,uid=${uid},gid=${gid},mode=0${mode.toString(8)}`;
}

/**
 * Runs a script in a container that has a cache mount of the builder: BuildKit gives its contents to nothing else. It has no network, and no other mount
 * that outlives it.
 * @returns what the script printed
 * @throws SnapshotRunFailed
 */
export async function runOnMount(host: RunHost, run: MountRun, signal: AbortSignal): Promise<string> {
  const { mark, place, sharing, script, input, output } = run;
  const owner = place.owner ? ownerOptions(place.owner) : '';
  const cache = `--mount=type=cache,sharing=${sharing},id=$KILN_MOUNT,target=${MOUNT_DIR}${owner}`;
  const bind = input ? ` --mount=type=bind,from=${mark},source=in,target=${INPUT_DIR}` : '';
  const command = JSON.stringify(['/bin/sh', '-c', script, mark]);
  const dockerfile = [
    `FROM scratch AS root-${mark}`,
    `COPY --from=${mark} root/ /`,
    `FROM root-${mark} AS run-${mark}`,
    'ARG KILN_MOUNT',
    `RUN --network=none ${cache}${bind} ${command}`,
    ...(output ? ['FROM scratch', `COPY --from=run-${mark} ${OUTPUT_DIR}/ /`] : []),
  ];
  return await runOwn(
    host,
    {
      ...{ what: `cache mount ${place.id}`, id: mark, contextName: mark, namespace: place.namespace, dockerfile },
      ...{ buildArgs: { KILN_MOUNT: place.id }, timeoutSeconds: TIMEOUT_SECONDS, output },
      file: input && { name: 'in/mount.tar', ...input },
    },
    signal,
  );
}
