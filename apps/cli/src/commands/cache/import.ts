import { checkSnapshotFile, SnapshotInvalid, storeSnapshotFile } from '@kiln/blobs';
import { bytes } from '@kiln/contracts';
import { type Digest, writeParts } from '@kiln/trees';
import { printJson } from '../../framework/print.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { OWNER_FLAGS, ownerOf } from './owner-flags.ts';

export const importCommand = clientCommand(
  {
    name: 'snapshot import',
    synopsis: 'FILE',
    summary: 'Store a snapshot of caches from a file',
    description:
      'Store a snapshot from a file of kiln snapshot export. The whole file is checked before anything is sent; what the pool has already is not sent again. Caches that are imported run in builds: import only files that you trust.',
    operands: [1, 1],
    flags: {
      repo: { kind: 'text', value: 'REPO', help: 'The repo whose caches they are (default: as in the file)' },
      ...OWNER_FLAGS,
    },
  },
  async ({ flags, client, operands: [file = ''], io }) => {
    const checked = await checkSnapshotFile(file).catch((error: unknown) => {
      if (error instanceof SnapshotInvalid) throw new UsageError(`${file}: ${error.message}`);
      throw error;
    });
    const owner = ownerOf(flags);
    const { team } = owner;
    const trust = owner.trust ?? (checked.head.trust === 'untrusted' ? 'untrusted' : undefined);
    let sent = 0;
    const root = await storeSnapshotFile(file, checked, {
      missingFiles: async (digests) => {
        const missing = await client.missingTreeParts({ files: [...digests] }, { team });
        return missing.files.map(({ digest }) => digest as Digest);
      },
      store: async (parts) => {
        const { bytes: count } = await client.sendTreeParts(writeParts(parts), { team, purpose: 'snapshot' });
        sent += count;
      },
    });
    const repo = flags.repo ?? checked.head.repo;
    const snapshot = await client.addSnapshot({ repo, root, ...owner, ...(trust && { trust }) });
    if (flags.json) printJson(io, snapshot);
    else
      io.out.line(`${snapshot.id}: snapshot of ${repo}, ${snapshot.mounts.length} cache mounts, ${bytes(sent)} sent`);
    return EXIT.ok;
  },
);
