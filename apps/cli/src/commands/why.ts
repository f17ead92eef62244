import type { PlacementInfoView } from '@kiln/contracts';
import { reasonText, verdictText } from '../build/describe-placement.ts';
import { age } from '../io/ages.ts';
import { EXIT } from '../io/exit-codes.ts';
import type { Io } from '../io/output.ts';
import { renderTable } from '../io/table.ts';
import { runCommand } from './command-line.ts';
import { resolveId } from './resolve-id.ts';

const SPEC = {
  usage: 'kiln why [FLAGS] ID',
  about: 'Says why a build runs where it runs, or why it waits: each decision, and what it thought of every host.',
  operands: [1, 1],
  flags: {},
} as const;

type Decision = PlacementInfoView['decisions'][number];

export function whyCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const placement = await client.placement(await resolveId(client, operands[0] ?? ''));
    if (flags.json) io.out.line(JSON.stringify(placement, null, 2));
    else if (placement.decisions.length === 0) io.err.line('kiln: nothing decided yet');
    else io.out.write(placement.decisions.map((decision) => decisionText(decision, io)).join('\n'));
    return EXIT.ok;
  });
}

function decisionText(decision: Decision, { out, now }: Io): string {
  const { attempt, host, decidedAt, considered } = decision;
  const what = host === null ? 'wait' : `run on ${host}`;
  const head = `attempt ${attempt}: ${out.style('bold', what)}, ${reasonText(decision)} (${age(Date.parse(decidedAt), now())} ago)\n`;
  if (considered.length === 0) return head;
  const table = renderTable(
    [
      { title: '  HOST', text: (row) => `  ${row.host}`, min: 10 },
      { title: 'SLOTS', text: (row) => `${row.usedSlots}/${row.slots}`, align: 'right' },
      { title: 'WARM', text: (row) => `${Math.round(row.warmth * 100)}%`, align: 'right' },
      {
        title: 'VERDICT',
        text: (row) => verdictText(row.verdict),
        style: (row) => (row.verdict === 'chosen' ? 'green' : undefined),
      },
    ],
    considered,
    out,
  );
  return head + table;
}
