import { EXIT } from '../../io/exit-codes.ts';
import { untilInterrupted } from '../../io/interruptible.ts';
import { clientCommand } from '../../server/client-command.ts';
import { KIND_HELP, readKinds } from './cache-text.ts';
import { confirmDrop, YES_FLAG } from './confirm-drop.ts';
import { followDrops } from './follow-drops.ts';

export const removeCommand = clientCommand(
  {
    name: 'cache rm',
    synopsis: 'REPO',
    summary: 'Drop the cache mounts of a repository, on all hosts or on one',
    description:
      'Drop the cache mounts of a repository, or one of them, without touching others. What a build is using is dropped when that build ends; ' +
      'until then no further build of the repository starts on that host. Layers stay unless --kind names them. Hosts that are away drop when they are back.',
    examples: ['kiln cache rm github.com/acme/app --mount /root/.npm'],
    exitCodes: [
      ['0', 'dropped on every host that is connected'],
      ['1', 'a host could not do it, or the question was not answered with yes'],
    ],
    operands: [1, 1],
    flags: {
      mount: {
        kind: 'list',
        short: 'm',
        value: 'TARGET',
        help: 'Only this mount, by target or id as in the Dockerfile; repeatable',
      },
      kind: { kind: 'list', value: 'KIND', help: KIND_HELP },
      host: { kind: 'list', value: 'HOST', help: 'Only on this host; repeatable' },
      team: { kind: 'text', value: 'NAME', help: 'Team of the repository (default: $KILN_TEAM, or your own team)' },
      untrusted: { kind: 'bool', help: 'Drop the caches of untrusted builds, such as pull requests from forks' },
      shared: { kind: 'bool', help: 'Also drop mounts that the repository shares with others' },
      'dry-run': { kind: 'bool', help: 'Drop nothing, and show what would be dropped' },
      ...YES_FLAG,
    },
  },
  ({ flags, client, operands: [repo = ''], io }) =>
    untilInterrupted(
      io,
      async (signal) => {
        const team = flags.team ?? (io.env.KILN_TEAM || undefined);
        const kinds = readKinds(flags.kind);
        const dryRun = flags['dry-run'];
        const mounts = flags.mount.length > 0 ? flags.mount.join(', ') : 'the caches';
        const what = `${mounts} of ${repo}${flags.untrusted ? ' (untrusted builds)' : ''}`;
        if (!(await confirmDrop(io, what, flags))) return EXIT.notDone;
        const tasks = await client.dropCaches({
          repo,
          ...(team !== undefined && { team }),
          ...(flags.untrusted && { trust: 'untrusted' }),
          ...(flags.mount.length > 0 && { mounts: [...flags.mount] }),
          ...(kinds.length > 0 && { kinds }),
          ...(flags.host.length > 0 && { hosts: [...flags.host] }),
          ...(flags.shared && { shared: true }),
          ...(dryRun && { dryRun }),
        });
        return followDrops(tasks, { client, io, json: flags.json, dryRun, signal });
      },
      'stopped waiting; the caches are dropped nevertheless',
    ),
);
