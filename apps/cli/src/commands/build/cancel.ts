import { type KilnClient, KilnProblem } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { explainError } from '../../server/explain-error.ts';
import { SUMMARIES } from '../summaries.ts';
import { resolveId } from './build-id.ts';

export const cancelCommand = clientCommand(
  {
    name: 'cancel',
    synopsis: 'ID...',
    summary: SUMMARIES.cancel,
    description:
      'Cancel builds and wait until their hosts have confirmed it. After that, nothing is pushed. A build that has already ended is left as it is, which is not an error.',
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {},
  },
  async ({ flags, client, operands, io }) => {
    let code: number = EXIT.ok;
    for (const operand of operands) {
      try {
        const id = await resolveId(client, operand);
        const build = await cancelAndWait(client, id);
        io.out.line(flags.json ? JSON.stringify(build) : `${id} ${outcomeText(build)}`);
      } catch (error) {
        const explained = explainError(error);
        if (explained === undefined) throw error;
        io.err.line(`kiln: ${operand}: ${explained}`);
        code = EXIT.usage;
      }
    }
    return code;
  },
);

function outcomeText({ state, supersededBy, releasedAt }: BuildView): string {
  if (state === 'canceled') return supersededBy === undefined ? 'canceled' : `superseded by ${supersededBy}`;
  if (releasedAt !== undefined) return 'continues for other builds that share its run; canceled when they are';
  return `already ${state === 'succeeded' ? 'succeeded' : 'failed'}`;
}

async function cancelAndWait(client: KilnClient, id: string) {
  try {
    const { build, confirmed } = await client.cancel(id);
    return confirmed ? build : await client.waitForEnd(id);
  } catch (error) {
    if (error instanceof KilnProblem && error.problem.code === 'already_finished') return client.get(id);
    throw error;
  }
}
