import type { KilnClient } from '@kiln/client';
import type { HostInfoView } from '@kiln/contracts';
import { EXIT } from '../../io/exit-codes.ts';
import { untilInterrupted } from '../../io/interruptible.ts';
import type { Io } from '../../io/output.ts';
import { clientCommand } from '../../server/client-command.ts';
import { durationSeconds } from '../build/request/values.ts';
import { forEachHost, printHost } from './for-each-host.ts';
import { buildsText, leftText } from './host-text.ts';
import { waitMoved } from './wait-moved.ts';
import { watchHost } from './watch-host.ts';

export const drainCommand = clientCommand(
  {
    name: 'host drain',
    synopsis: 'NAME...',
    summary: 'Stop placing builds on hosts and let their builds finish',
    description:
      'Drain hosts: they get no new builds and finish those that they have. Caches that builds are expected to need, and that no other host has, are copied to other hosts. A worker started with --exit then exits; ' +
      'any other stays drained until kiln host uncordon. Repeating the command replaces the deadline.',
    examples: ['kiln host drain --deadline 10m --wait build-01'],
    exitCodes: [
      ['0', 'the drain was started, or with --wait, is complete'],
      ['1', 'with --wait: the host was lost or uncordoned'],
    ],
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {
      deadline: {
        kind: 'text',
        value: 'DURATION',
        help: 'Return builds that are still running to the queue after this time, such as 90s, 10m, 1h, or 0 for immediately (default: no deadline)',
      },
      wait: {
        kind: 'bool',
        short: 'w',
        help: 'Wait until the hosts are drained and their caches are copied; Ctrl-C stops only the waiting',
      },
    },
  },
  ({ flags, client, operands, io }) =>
    untilInterrupted(
      io,
      async (signal) => {
        const { deadline, json } = flags;
        const deadlineSeconds = deadline === undefined ? undefined : durationSeconds('--deadline', deadline);
        return forEachHost(operands, io, async (name) => {
          const host = await client.drainHost(name, { deadlineSeconds });
          if (flags.wait) return waitDrained(client, name, { io, json, signal });
          printHost(io, json, host, `${name} ${drainText(host, io.now())}`);
          return EXIT.ok;
        });
      },
      'stopped waiting; the drain continues',
    ),
);

function drainText(host: HostInfoView, nowMs: number): string {
  if (host.state === 'left' || host.state === 'lost') return `is ${host.state}; it will be drained when it is back`;
  if (host.builds.length === 0) return 'drained';
  const left = host.drain?.deadline === undefined ? '' : ` (${leftText(host.drain.deadline, nowMs)})`;
  return `draining; ${buildsText(host)}${left}`;
}

async function waitDrained(
  client: KilnClient,
  name: string,
  { io, json, signal }: { io: Io; json: boolean | undefined; signal: AbortSignal },
): Promise<number> {
  let last: HostInfoView | undefined;
  for await (const host of watchHost(client, name, signal)) {
    if (host === undefined) {
      if (json && last) io.out.line(JSON.stringify({ ...last, state: 'left', builds: [], usedSlots: 0 }));
      else io.out.line(`${name} drained; its worker has left`);
      return EXIT.ok;
    }
    last = host;
    switch (host.state) {
      case 'drained':
        await waitMoved(client, name, { io, signal });
        printHost(io, json, host, `${name} drained`);
        return EXIT.ok;
      case 'left':
        printHost(io, json, host, `${name} drained; its worker has left`);
        return EXIT.ok;
      case 'lost':
        io.err.line(`kiln: ${name} was lost; its builds return to the queue`);
        return EXIT.notDone;
      case 'ready':
      case 'cordoned':
        io.err.line(`kiln: ${name} is ${host.state}: the drain was called off`);
        return EXIT.notDone;
      default:
        io.err.line(`kiln: ${name} ${drainText(host, io.now())}`);
    }
  }
  return EXIT.notDone;
}
