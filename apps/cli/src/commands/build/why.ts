import type { PlacementInfoView } from '@kiln/contracts';
import { printJson } from '../../framework/print.ts';
import { age, duration } from '../../io/ages.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { renderTable } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';
import { resolveId } from './build-id.ts';
import { decisionText, hostVerdict, othersLine, outcomeLines, percent, seedingText } from './placement-text.ts';

type Decision = PlacementInfoView['decisions'][number];

export const whyCommand = clientCommand(
  {
    name: 'why',
    synopsis: 'ID',
    summary: SUMMARIES.why,
    description:
      'Explain where a build was placed, or why it waits: list each placement decision with all hosts that were considered, their warmth, and the predicted start and finish.',
    operands: [1, 1],
    flags: {},
  },
  async ({ flags, client, operands, io }) => {
    const placement = await client.placement(await resolveId(client, operands[0] ?? ''));
    if (flags.json) printJson(io, placement);
    else if (placement.decisions.length === 0) io.err.line('kiln: no placement decision yet');
    else io.out.write(placement.decisions.map((decision) => render(decision, io)).join('\n'));
    return EXIT.ok;
  },
);

function render(decision: Decision, { out, now }: Io): string {
  const { attempt, decidedAt } = decision;
  const [what = '', ...why] = decisionText(decision).split(', ');
  const ago = `(${age(Date.parse(decidedAt), now())} ago)`;
  const head = `attempt ${attempt}: ${[out.style('bold', what), ...why].join(', ')} ${ago}`;
  const others = othersLine(decision);
  return [
    `${head}\n`,
    ...outcomeLines(decision).map((line) => `  ${line}\n`),
    hostTable(decision, out),
    ...(others ? [`  ${others}\n`] : []),
  ].join('');
}

function hostTable({ considered, decidedAt }: Decision, out: Io['out']): string {
  if (considered.length === 0) return '';
  const after = (at: string) => Math.max(0, Date.parse(at) - Date.parse(decidedAt));
  return renderTable(
    [
      { title: '  HOST', text: (row) => `  ${row.host}`, min: 10 },
      { title: 'SLOTS', text: (row) => `${row.usedSlots}/${row.slots}`, align: 'right' },
      { title: 'WARM', text: (row) => percent(row.warmth), align: 'right' },
      {
        title: 'START',
        text: ({ predicted }) => {
          if (!predicted) return '';
          const wait = after(predicted.startAt);
          return wait < 1_000 ? 'now' : `in ${duration(wait)}`;
        },
        align: 'right',
        dispensable: 1,
      },
      {
        title: 'FINISH',
        text: ({ predicted }) => (predicted ? `in ${duration(after(predicted.finishAt))}` : ''),
        align: 'right',
      },
      {
        title: 'VERDICT',
        text: (row) => [hostVerdict(row), seedingText(row, decidedAt)].filter((text) => text !== undefined).join('; '),
        style: ({ verdict }) => (verdict === 'chosen' ? 'green' : undefined),
        min: 12,
      },
    ],
    considered,
    out,
  );
}
