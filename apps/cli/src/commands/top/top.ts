import { wholeNumber } from '../../framework/flag-values.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';

const DEFAULT_SECONDS = 2;
const MAX_SECONDS = 3_600;
const MAX_TIMES = 100_000;

export const topCommand = clientCommand(
  {
    name: 'top',
    summary: SUMMARIES.top,
    description:
      'Show the pool, live: its hosts with their slots, load and free disk space, the builds that run, and the queue with the expected starts. q or Ctrl-C ends it.\n\nWith -n, or where standard output is not a terminal, print it instead, by default once. LOAD is the load average of the last minute, and the number of CPUs.',
    examples: ['kiln top', '# Once, for a report', 'kiln top -n 1', 'kiln top -n 10 -i 30 > pool.txt'],
    operands: [0, 0],
    flags: {
      iterations: { kind: 'text', short: 'n', value: 'N', help: 'Print the pool N times, then exit' },
      interval: {
        kind: 'text',
        short: 'i',
        value: 'SECONDS',
        help: `Time between two readings (default: ${DEFAULT_SECONDS})`,
      },
    },
  },
  async ({ flags, client, io }) => {
    const times =
      flags.iterations === undefined
        ? undefined
        : wholeNumber('--iterations', flags.iterations, { min: 1, max: MAX_TIMES });
    const seconds = wholeNumber('--interval', flags.interval ?? String(DEFAULT_SECONDS), { min: 1, max: MAX_SECONDS });
    const { printTop, watchTop } = await import('./run-top.ts');
    const leave = new AbortController();
    const stop = io.onInterrupt(() => leave.abort());
    const options = { client, io, intervalMs: seconds * 1_000, times };
    try {
      if (flags.json) {
        const { readPool } = await import('./read-pool.ts');
        io.out.line(JSON.stringify(await readPool(client, io.now, leave.signal), null, 2));
        return EXIT.ok;
      }
      if (times !== undefined || !io.out.isTerminal || io.env.TERM === 'dumb')
        return await printTop(options, leave.signal);
      const { untilKey } = await import('../../io/keys.ts');
      using _keys = untilKey(io.stdin, ['q', '\u0003'], () => leave.abort());
      return await watchTop(options, leave.signal);
    } catch (error) {
      if (!leave.signal.aborted) throw error;
      return EXIT.interrupted;
    } finally {
      stop();
    }
  },
);
