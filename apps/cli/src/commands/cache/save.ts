import { bytes } from '@kiln/contracts';
import { clientCommand } from '../../server/client-command.ts';
import { followTask } from './follow-task.ts';
import { OWNER_FLAGS, ownerOf } from './owner-flags.ts';

interface SaveResult {
  readonly snapshot?: string;
  readonly mounts?: number;
  readonly storedBytes?: number;
  readonly left?: readonly { readonly id: string; readonly reason: string }[];
}

export const saveCommand = clientCommand(
  {
    name: 'snapshot create',
    synopsis: 'REPO',
    summary: 'Save the cache mounts of a repo as a snapshot',
    description:
      'Save the cache mounts of a repo, as kiln host show shows it, from a host to the pool’s store. What is stored already is not stored again.',
    examples: ['kiln snapshot create github.com/acme/app'],
    exitCodes: [
      ['0', 'the snapshot is stored'],
      ['1', 'the host could not save the caches'],
    ],
    operands: [1, 1],
    flags: {
      host: { kind: 'text', value: 'NAME', help: 'The host whose caches are saved (default: the warmest one)' },
      ...OWNER_FLAGS,
    },
  },
  async ({ flags, client, operands: [repo = ''], io }) => {
    const { host, json } = flags;
    const task = await client.saveCaches({ repo, ...ownerOf(flags), ...(host !== undefined && { host }) });
    return followTask(client, task, {
      ...{ io, json },
      done: ({ result = {} }) => {
        const { snapshot, mounts = 0, storedBytes = 0, left = [] } = result as SaveResult;
        for (const { id, reason } of left) io.err.line(`kiln: not saved: ${id}: ${reason}`);
        return `${snapshot}: ${mounts} cache mount${mounts === 1 ? '' : 's'}, ${bytes(storedBytes)} compressed`;
      },
    });
  },
);
