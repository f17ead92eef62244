import type { KilnClient } from '@kiln/client';
import type { HostInfoView } from '@kiln/contracts';
import { durationSeconds } from '../build/request/values.ts';
import { runCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { forEachHost, sayHost } from './for-each-host.ts';
import { buildsText, leftText } from './host-text.ts';
import { watchHost } from './watch-host.ts';

const SPEC = {
  usage: 'kiln host drain [FLAGS] NAME…',
  about:
    'Empties hosts: they get nothing new and finish what they hold. A worker started with --exit ends when that is done; ' +
    'another stays, drained, until `kiln host uncordon`. Asked again, the new deadline holds.',
  operands: [1, Number.POSITIVE_INFINITY],
  flags: {
    deadline: {
      kind: 'text',
      value: 'DURATION',
      help: 'Hand back to the pool what still runs after so long: 90s, 10m, 1h, or 0 for at once (default: wait for it)',
    },
    wait: { kind: 'bool', short: 'w', help: 'Wait until nothing runs there any more; Ctrl-C ends the waiting only' },
  },
} as const;

export function drainCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const deadlineSeconds = flags.deadline === undefined ? undefined : durationSeconds('--deadline', flags.deadline);
    const leave = new AbortController();
    const stop = io.onInterrupt(() => leave.abort());
    try {
      return await forEachHost(operands, io, async (name) => {
        const host = await client.drainHost(name, { deadlineSeconds });
        if (flags.wait) return await waitDrained(client, name, { io, json: flags.json, signal: leave.signal });
        sayHost(io, flags.json, host, `${name} ${drainText(host, io.now())}`);
        return EXIT.ok;
      });
    } catch (error) {
      if (!leave.signal.aborted) throw error;
      io.err.line('kiln: not waiting any longer; the drain goes on');
      return EXIT.interrupted;
    } finally {
      stop();
    }
  });
}

function drainText(host: HostInfoView, nowMs: number): string {
  if (host.state === 'left' || host.state === 'lost') return `will be drained when it is back: it is ${host.state}`;
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
      case 'left':
        sayHost(io, json, host, `${name} drained${host.state === 'left' ? '; its worker has left' : ''}`);
        return EXIT.ok;
      case 'lost':
        io.err.line(`kiln: ${name} was lost; the pool takes back what it held`);
        return EXIT.notDone;
      case 'ready':
      case 'cordoned':
        io.err.line(`kiln: ${name} is ${host.state}: somebody has called the drain off`);
        return EXIT.notDone;
      default:
        io.err.line(`kiln: ${name} ${drainText(host, io.now())}`);
    }
  }
  return EXIT.notDone;
}
