import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mountContent, readManifest, writeSnapshotFile } from '@kiln/blobs';
import { bytes, type SnapshotView } from '@kiln/contracts';
import { type Digest, TarFault, unpackTar } from '@kiln/trees';
import { FlagError, UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { untilInterrupted } from '../../io/interruptible.ts';
import type { Io } from '../../io/output.ts';
import { clientCommand } from '../../server/client-command.ts';
import { findSnapshot, treesOf } from './find-snapshot.ts';

export const exportCommand = clientCommand(
  {
    name: 'snapshot export',
    synopsis: 'REPO|SNAPSHOT [FILE]',
    summary: 'Write a snapshot of caches to a file or a directory',
    description:
      'Write a snapshot, or the newest one of a repo, to a file that kiln snapshot import reads, or with --dir, its files to one directory for each cache mount. Files in directories belong to you, and have no extended attributes; devices, pipes and sparse files are refused.',
    examples: [
      'kiln snapshot export github.com/acme/app app.kiln-cache',
      'kiln snapshot export github.com/acme/app --dir cache',
    ],
    operands: [1, 2],
    flags: {
      dir: { kind: 'text', value: 'DIR', help: 'Unpack into this directory, which must be empty or new' },
      team: { kind: 'text', value: 'TEAM', help: 'Team of the repo (default: your own)' },
    },
  },
  ({ flags: { dir, team }, client, operands: [named = '', file], io }) =>
    untilInterrupted(
      io,
      async (signal) => {
        if ((dir === undefined) === (file === undefined)) throw new FlagError('expected either FILE or --dir');
        const snapshot = await findSnapshot(client, named, team);
        const trees = treesOf(client, snapshot.team);
        const manifest = await readManifest(trees, snapshot.root as Digest, signal);
        if (file !== undefined) {
          const written = await writeSnapshotFile(file, snapshot, manifest, trees, signal);
          io.out.line(`${file}: snapshot ${snapshot.id}, ${bytes(written)}`);
          return EXIT.ok;
        }
        await unpack(dir as string, snapshot, io, (at) => mountContent(trees, manifest.mounts[at] as never, signal));
        return EXIT.ok;
      },
      'the export was stopped',
    ),
);

async function unpack(
  dir: string,
  { mounts }: SnapshotView,
  io: Io,
  contentOf: (at: number) => AsyncIterable<Uint8Array>,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  if ((await readdir(dir)).length > 0)
    throw new UsageError(`--dir: got ${dir}, which has files in it, expected an empty directory`);
  for (const [at, { id, entries }] of mounts.entries()) {
    const to = join(dir, directoryName(id));
    try {
      await unpackTar(contentOf(at), to, { allowBinaryAttributes: true, modeMask: 0o777, stampRoot: true });
    } catch (error) {
      if (!(error instanceof TarFault)) throw error;
      throw new UsageError(`cache mount ${id} can’t be unpacked here: ${error.message}; export it to a file instead`);
    }
    io.out.line(`${to}: ${entries} entries of ${id}`);
  }
}

/** A name without a separator that differs for different ids. */
function directoryName(id: string): string {
  const name = encodeURIComponent(id.replace(/^\/+/, '')).replaceAll('%2F', '_');
  return name === '' || name.startsWith('.') ? `mount${name}` : name;
}
