import { type KilnClient, KilnProblem } from '@kiln/client';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { untilInterrupted } from '../../io/interruptible.ts';
import type { Io } from '../../io/output.ts';
import { clientCommand } from '../../server/client-command.ts';
import { forEachHost, printHost } from './for-each-host.ts';
import { buildsText } from './host-text.ts';
import { waitMoved } from './wait-moved.ts';
import { watchHost } from './watch-host.ts';

export const removeCommand = clientCommand(
  {
    name: 'host rm',
    synopsis: 'NAME...',
    summary: 'Remove hosts from the pool',
    description:
      'Remove hosts from the pool, with the slots and labels that were set for them. A worker that is still running exits. ' +
      'Removing a host that has builds, or the only host of the pool, is refused without --force. While caches of a host are being copied to other hosts, ' +
      'or of a drained host have yet to be, the command waits; drain a host first if its caches are to be copied.',
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {
      force: {
        kind: 'bool',
        short: 'f',
        help: "Return the hosts' builds to the queue, wait for that, and remove the hosts, even the last; don't wait for their caches",
      },
      'no-wait': { kind: 'bool', help: "Don't wait until caches that are being copied to other hosts have arrived" },
    },
  },
  ({ flags, client, operands, io }) =>
    untilInterrupted(
      io,
      async (signal) => {
        if (!flags.force) await keepOne(client, operands);
        return forEachHost(operands, io, async (name) => {
          if (!flags.force && !flags['no-wait']) await waitMoved(client, name, { io, signal });
          const host = await remove(client, name, flags.force);
          if (host.state !== 'removed') return waitRemoved(client, name, { io, json: flags.json, signal });
          printHost(io, flags.json, host, `${name} removed`);
          return EXIT.ok;
        });
      },
      'stopped waiting; a removal that has begun continues',
    ),
);

/** States of a host that builds nothing any more. */
const GONE: ReadonlySet<string> = new Set(['lost', 'left', 'removing', 'removed']);

/** Checks that the pool keeps a host. @throws UsageError */
async function keepOne(client: KilnClient, names: readonly string[]): Promise<void> {
  const alive = (await client.hosts()).filter(({ state }) => !GONE.has(state)).map(({ name }) => name);
  if (alive.length === 0 || alive.some((name) => !names.includes(name))) return;
  const what =
    alive.length === 1 ? `${alive[0]} is the only host of the pool` : `${alive.join(', ')} are all hosts of the pool`;
  throw new UsageError(`${what}, and no build can run without one\nAdd another host first, or use --force.`);
}

async function remove(client: KilnClient, name: string, force: boolean | undefined) {
  try {
    return await client.removeHost(name, { force });
  } catch (error) {
    if (!(error instanceof KilnProblem) || error.problem.code !== 'host_busy') throw error;
    throw new UsageError(
      `${error.problem.detail} [host_busy]\nEmpty it with \`kiln host drain --wait ${name}\`, or do both with \`kiln host rm --force ${name}\`.`,
    );
  }
}

async function waitRemoved(
  client: KilnClient,
  name: string,
  { io, json, signal }: { io: Io; json: boolean | undefined; signal: AbortSignal },
): Promise<number> {
  let last: object = { name };
  for await (const host of watchHost(client, name, signal)) {
    if (host === undefined) {
      io.out.line(json ? JSON.stringify({ ...last, state: 'removed', builds: [], usedSlots: 0 }) : `${name} removed`);
      return EXIT.ok;
    }
    last = host;
    if (host.state !== 'removing' && host.state !== 'lost' && host.state !== 'left') {
      io.err.line(`kiln: ${name} is ${host.state}: the removal was called off`);
      return EXIT.notDone;
    }
    io.err.line(
      `kiln: ${name} ${host.state === 'lost' ? 'is lost; its builds return to the queue' : `is returning its builds; ${buildsText(host)}`}`,
    );
  }
  return EXIT.notDone;
}
