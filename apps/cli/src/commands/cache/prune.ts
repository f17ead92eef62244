import { EXIT } from '../../io/exit-codes.ts';
import { untilInterrupted } from '../../io/interruptible.ts';
import { clientCommand } from '../../server/client-command.ts';
import { durationSeconds } from '../build/request/values.ts';
import { KIND_HELP, readKinds } from './cache-text.ts';
import { confirmDrop, YES_FLAG } from './confirm-drop.ts';
import { followDrops } from './follow-drops.ts';

const DEFAULT_UNUSED = '30d';

export const pruneCommand = clientCommand(
  {
    name: 'cache prune',
    synopsis: '',
    summary: 'Drop caches that have not been used for a while',
    description:
      'Drop caches that have not been used for a while, of all teams for operators, otherwise of your own team. What a build is using is kept.',
    examples: ['kiln cache prune --unused-for 14d --kind outputs --dry-run'],
    operands: [0, 0],
    flags: {
      'unused-for': {
        kind: 'text',
        value: 'DURATION',
        help: `Drop what has not been used for this long, such as 12h or 30d (default: ${DEFAULT_UNUSED})`,
      },
      kind: { kind: 'list', value: 'KIND', help: KIND_HELP },
      host: { kind: 'list', value: 'HOST', help: 'Only on this host; repeatable' },
      team: { kind: 'text', value: 'NAME', help: "Only caches of this team's repositories" },
      'dry-run': { kind: 'bool', help: 'Drop nothing, and show what would be dropped' },
      ...YES_FLAG,
    },
  },
  ({ flags, client, io }) =>
    untilInterrupted(
      io,
      async (signal) => {
        const kinds = readKinds(flags.kind);
        const dryRun = flags['dry-run'];
        const unusedFor = flags['unused-for'] ?? DEFAULT_UNUSED;
        const unusedForSeconds = durationSeconds('--unused-for', unusedFor);
        const of = kinds.length > 0 ? `${kinds.join(' and ')} caches` : 'all caches';
        const owner = flags.team === undefined ? '' : ` of team ${flags.team}`;
        if (!(await confirmDrop(io, `${of}${owner} that were not used for ${unusedFor}`, flags))) return EXIT.notDone;
        const tasks = await client.dropCaches({
          unusedForSeconds,
          ...(flags.team !== undefined && { team: flags.team }),
          ...(kinds.length > 0 && { kinds }),
          ...(flags.host.length > 0 && { hosts: [...flags.host] }),
          ...(dryRun && { dryRun }),
        });
        return followDrops(tasks, { client, io, json: flags.json, dryRun, signal });
      },
      'stopped waiting; the caches are dropped nevertheless',
    ),
);
