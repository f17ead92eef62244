import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buildSpec } from '@kiln/contracts';
import type { Failure } from '@kiln/domain';
import { byteString, padding, tarEnd, tarHeaders } from '@kiln/trees';
import { runBuild } from '../run/run-build.ts';
import type { RunHost } from '../run/run-host.ts';
import type { RunRequest } from '../run/run-request.ts';
import { runRoot } from './run-root.ts';

/** Longest run of one mount, seconds. */
const TIMEOUT_SECONDS = 6 * 3_600;
const MAX_OUTPUT_CHARS = 16 * 1024;
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
}

/** A run that has failed, or was stopped. */
export class SnapshotRunFailed extends Error {
  readonly failure: Failure;
  /** What its container printed. */
  readonly output: string;

  constructor(what: string, failure: Failure, output: string) {
    super(`${what}: ${failure.message}${output === '' ? '' : `: ${output}`}`);
    this.name = 'SnapshotRunFailed';
    this.failure = failure;
    this.output = output;
  }
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

/**
 * Runs a script in a container that has a cache mount of the builder: BuildKit gives its contents to nothing else. It has no network, and no other mount
 * that outlives it.
 * @returns what the script printed
 * @throws SnapshotRunFailed
 */
export async function runOnMount(host: RunHost, run: MountRun, signal: AbortSignal): Promise<string> {
  const { mark, place, output } = run;
  let printed = '';
  const root = await runRoot(host.tool);
  const outcome = await runBuild(
    host,
    {
      buildId: mark,
      attempt: 1,
      trust: host.trust,
      spec: buildSpec.parse({
        source: { type: 'upload', name: mark },
        buildArgs: { KILN_MOUNT: place.id },
        secrets: [],
        timeoutSeconds: TIMEOUT_SECONDS,
        output: { type: output ? 'artifact' : 'none' },
      }),
      repo: mark,
      internal: { namespace: place.namespace, contextName: mark },
      source: { type: 'tar', open: async () => Readable.from(contextOf(run, root), { objectMode: false }) },
      secrets: new Map(),
      ...(output && { artifact: output }),
      sink(record) {
        if (record.type === 'output') printed = (printed + record.data).slice(-MAX_OUTPUT_CHARS);
      },
    },
    signal,
  );
  if (outcome.end === 'succeeded') return printed;
  const failure = outcome.failure ?? { code: 'infrastructure', message: 'stopped' };
  throw new SnapshotRunFailed(`cache mount ${place.id}`, failure, printed.trim());
}

async function* contextOf({ mark, sharing, script, input, output }: MountRun, root: Buffer): AsyncGenerator<Buffer> {
  const cache = `--mount=type=cache,sharing=${sharing},id=$KILN_MOUNT,target=${MOUNT_DIR}`;
  const bind = input ? ` --mount=type=bind,from=${mark},source=in,target=${INPUT_DIR}` : '';
  const command = JSON.stringify(['/bin/sh', '-c', script, mark]);
  const lines = [
    `FROM scratch AS root-${mark}`,
    `COPY --from=${mark} root/ /`,
    `FROM root-${mark} AS run-${mark}`,
    'ARG KILN_MOUNT',
    `RUN --network=none ${cache}${bind} ${command}`,
    ...(output ? ['FROM scratch', `COPY --from=run-${mark} ${OUTPUT_DIR}/ /`] : []),
  ];
  let written = 0;
  const counted = (chunk: Uint8Array) => {
    written += chunk.length;
    return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  };
  const dockerfile = Buffer.from(`${lines.join('\n')}\n`);
  for (const chunk of [fileHeader('Dockerfile', dockerfile.length), dockerfile, padding(dockerfile.length), root])
    yield counted(chunk);
  if (input) {
    yield counted(fileHeader('in/mount.tar', input.sizeBytes));
    for await (const chunk of input.content) yield counted(chunk);
    yield counted(padding(input.sizeBytes));
  }
  yield tarEnd(written);
}

function fileHeader(name: string, sizeBytes: number): Buffer {
  return tarHeaders(
    { type: 'file', path: byteString(name), mode: 0o644, sizeBytes, contentId: '', mtimeNs: 0n },
    byteString(name),
    0n,
  );
}
