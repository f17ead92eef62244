import type { DeliveryView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { age } from '../../io/ages.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io, Style } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';

const STATES = ['pending', 'done', 'failed'] as const;

const SPEC = {
  usage: 'kiln deliveries [FLAGS]',
  about: 'Lists the webhooks that forges have sent in the last week, the newest first, and what came of them.',
  operands: [0, 0],
  flags: {
    connection: { kind: 'text', value: 'NAME', help: 'Of this connection only' },
    state: { kind: 'text', value: 'STATE', help: STATES.join(', ') },
    limit: { kind: 'text', short: 'n', value: 'N', help: 'At most so many (default: 50, at most 200)' },
  },
} as const;

/** `kiln deliveries`. */
export function deliveriesCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client }) => {
    const state = STATES.find((known) => known === flags.state);
    if (flags.state !== undefined && !state)
      throw new UsageError(`--state ${flags.state}: expected ${STATES.join(', ')}`);
    const { connection } = flags;
    const { deliveries } = await client.hooks.deliveries({ connection, state, limit: readLimit(flags.limit) });
    if (flags.json) io.out.line(JSON.stringify({ deliveries }, null, 2));
    else if (deliveries.length > 0) io.out.write(renderTable(columns(io), deliveries, io.out));
    else io.err.line('kiln: no webhooks');
    return EXIT.ok;
  });
}

const MAX_LIMIT = 200;

function readLimit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new UsageError(`--limit ${text}: expected 1 to ${MAX_LIMIT}`);
}

const STYLES: Readonly<Partial<Record<DeliveryView['state'], Style>>> = { pending: 'cyan', failed: 'red' };

function columns({ now }: Io): Column<DeliveryView>[] {
  const at = now();
  return [
    { title: 'DELIVERY', text: ({ id }) => id },
    { title: 'STATE', text: ({ state }) => state, style: ({ state }) => STYLES[state] },
    { title: 'CONNECTION', text: ({ connection }) => connection, min: 8, dispensable: 1 },
    { title: 'AGE', text: ({ receivedAt }) => age(Date.parse(receivedAt), at), align: 'right' },
    { title: 'BUILDS', text: ({ builds }) => String(builds.length), align: 'right' },
    { title: 'EVENT', text: ({ events, reasons }) => events[0]?.event ?? reasons[0] ?? '-', min: 20 },
  ];
}
