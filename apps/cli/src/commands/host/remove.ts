import { type KilnClient, KilnProblem } from '@kiln/client';
import { runCommand } from '../../framework/command.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { forEachHost, sayHost } from './for-each-host.ts';
import { buildsText } from './host-text.ts';
import { watchHost } from './watch-host.ts';

const SPEC = {
  usage: 'kiln host remove [FLAGS] NAME…',
  about:
    'Takes hosts out of the pool, with what was set for them. A worker that lives there is told so and ends. ' +
    'A host that holds builds is refused; with --force it hands them back first.',
  operands: [1, Number.POSITIVE_INFINITY],
  flags: {
    force: {
      kind: 'bool',
      short: 'f',
      help: 'Hand back to the pool what the host holds, then remove it; waits for that',
    },
  },
} as const;

export function removeCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const leave = new AbortController();
    const stop = io.onInterrupt(() => leave.abort());
    try {
      return await forEachHost(operands, io, async (name) => {
        const host = await remove(client, name, flags.force);
        if (host.state === 'removed') {
          sayHost(io, flags.json, host, `${name} removed`);
          return EXIT.ok;
        }
        return await waitRemoved(client, name, { io, json: flags.json, signal: leave.signal });
      });
    } catch (error) {
      if (!leave.signal.aborted) throw error;
      io.err.line('kiln: not waiting any longer; the removal goes on');
      return EXIT.interrupted;
    } finally {
      stop();
    }
  });
}

async function remove(client: KilnClient, name: string, force: boolean | undefined) {
  try {
    return await client.removeHost(name, { force });
  } catch (error) {
    if (!(error instanceof KilnProblem) || error.problem.code !== 'host_busy') throw error;
    throw new UsageError(
      `${error.problem.detail} [host_busy]\n\`kiln host drain --wait ${name}\` empties it, \`kiln host remove --force ${name}\` does both.`,
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
      io.err.line(`kiln: ${name} is ${host.state}: somebody has called the removal off`);
      return EXIT.notDone;
    }
    io.err.line(
      `kiln: ${name} ${host.state === 'lost' ? 'is lost; the pool takes its builds back' : `hands back; ${buildsText(host)}`}`,
    );
  }
  return EXIT.notDone;
}
