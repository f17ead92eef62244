import { bytes } from '@kiln/contracts';
import { FlagError } from '../../io/errors.ts';
import { clientCommand } from '../../server/client-command.ts';
import { followTask } from './follow-task.ts';
import { OWNER_FLAGS, ownerOf } from './owner-flags.ts';

interface SeedResult {
  readonly seeded?: readonly string[];
  readonly kept?: readonly string[];
  readonly bytes?: number;
}

export const seedCommand = clientCommand(
  {
    name: 'cache seed',
    synopsis: 'REPO',
    summary: 'Fill the cache mounts of a repo on a host from a snapshot',
    description:
      'Fill the cache mounts of a repo on a host from a snapshot. Mounts that the host has already stay as they are; no build sees one that is half filled.',
    examples: ['kiln cache seed github.com/acme/app --host build-02'],
    exitCodes: [
      ['0', 'the caches are on the host'],
      ['1', 'the host could not be seeded'],
    ],
    operands: [1, 1],
    flags: {
      host: { kind: 'text', value: 'NAME', help: 'The host to fill (required)' },
      from: { kind: 'text', value: 'SNAPSHOT', help: 'The snapshot (default: the repo’s newest)' },
      ...OWNER_FLAGS,
    },
  },
  async ({ flags, client, operands: [repo = ''], io }) => {
    const { host, from, json } = flags;
    if (host === undefined) throw new FlagError('--host is required');
    const source = from === undefined ? {} : { snapshot: from };
    const task = await client.seedCaches({ repo, host, ...source, ...ownerOf(flags) });
    return followTask(client, task, {
      ...{ io, json },
      done: ({ result = {} }) => {
        const { seeded = [], kept = [], bytes: count = 0 } = result as SeedResult;
        if (kept.length > 0) io.err.line(`kiln: already on ${host}: ${kept.join(', ')}`);
        return `${host}: ${seeded.length} cache mount${seeded.length === 1 ? '' : 's'} filled, ${bytes(count)}`;
      },
    });
  },
);
