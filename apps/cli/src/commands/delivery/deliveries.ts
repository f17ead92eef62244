import type { DeliveryView } from '@kiln/contracts';
import { oneOf, wholeNumber } from '../../framework/flag-values.ts';
import { OUTPUT_FLAGS, printList } from '../../framework/print.ts';
import { age } from '../../io/ages.ts';
import type { Io, Style } from '../../io/output.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';

const STATES = ['pending', 'done', 'failed'] as const;
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

export const listCommand = clientCommand(
  {
    name: 'delivery ls',
    summary: 'List incoming webhooks and their results',
    description: 'List the webhooks that forges sent in the last week, newest first, and the builds they created.',
    operands: [0, 0],
    flags: {
      ...OUTPUT_FLAGS,
      connection: { kind: 'text', value: 'NAME', help: 'Show only webhooks of this connection' },
      state: { kind: 'text', value: 'STATE', help: `Show only webhooks in this state: ${STATES.join(', ')}` },
      limit: {
        kind: 'text',
        short: 'n',
        value: 'N',
        help: `Show at most N webhooks, up to ${MAX_LIMIT} (default: ${DEFAULT_LIMIT})`,
      },
    },
  },
  async ({ flags, client, io }) => {
    const { connection } = flags;
    const state = flags.state === undefined ? undefined : oneOf('--state', flags.state, STATES);
    const limit = wholeNumber('--limit', flags.limit ?? String(DEFAULT_LIMIT), { min: 1, max: MAX_LIMIT });
    const { deliveries } = await client.hooks.deliveries({ connection, state, limit });
    return printList(io, flags, 'deliveries', {
      name: ({ id }) => id,
      rows: deliveries,
      columns: columns(io),
      none: 'no webhooks',
    });
  },
);

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
