import { bytes, type LimitView } from '@kiln/contracts';
import { EXIT } from '../../io/exit-codes.ts';
import { printJson } from '../../io/print.ts';
import { type Column, renderTable } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { settingsText } from './limit-text.ts';

export const listCommand = clientCommand(
  {
    name: 'limits ls',
    summary: 'List the default limits and all that are set',
    description:
      'List the default limits of teams and tokens, and the teams and tokens with limits of their own.\n\nNeeds the scope admin.',
    operands: [0, 0],
    flags: {},
  },
  async ({ flags, client, io }) => {
    const all = await client.allLimits();
    if (flags.json) {
      printJson(io, all);
      return EXIT.ok;
    }
    io.out.line(`each team: ${settingsText(all.eachTeam)}`);
    io.out.line(`each token: ${settingsText(all.eachToken)}`);
    if (all.set.length > 0) io.out.write(`\n${renderTable(COLUMNS, all.set, io.out)}`);
    return EXIT.ok;
  },
);

const COLUMNS: Column<LimitView>[] = [
  { title: 'WHOSE', text: ({ kind, name }) => `${kind} ${name}`, min: 10 },
  { title: 'RUNNING', text: ({ running }) => String(running), align: 'right' },
  { title: 'QUEUED', text: ({ queued }) => String(queued), align: 'right' },
  {
    title: 'STORED',
    text: ({ storedBytes }) => (storedBytes === undefined ? '' : bytes(storedBytes)),
    align: 'right',
  },
  { title: 'SET', text: ({ set }) => settingsText(set), min: 20 },
];
