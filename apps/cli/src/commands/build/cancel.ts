import { type KilnClient, KilnProblem } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { explainError } from '../../server/explain-error.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { runCommand } from '../../framework/command.ts';
import { resolveId } from './build-id.ts';

const SPEC = {
  usage: 'kiln cancel [FLAGS] ID…',
  about: 'Cancels builds, and waits until their hosts have confirmed it: after that nothing is pushed.',
  operands: [1, Number.POSITIVE_INFINITY],
  flags: {},
} as const;

/** A build that has already ended is no error: there is nothing left of it to cancel. */
export function cancelCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    let code: number = EXIT.ok;
    for (const operand of operands) {
      try {
        const id = await resolveId(client, operand);
        const build = await cancelAndWait(client, id);
        if (flags.json) io.out.line(JSON.stringify(build));
        else io.out.line(`${id} ${outcomeText(build)}`);
      } catch (error) {
        const explained = explainError(error);
        if (explained === undefined) throw error;
        io.err.line(`kiln: ${operand}: ${explained}`);
        code = EXIT.usage;
      }
    }
    return code;
  });
}

function outcomeText({ state, supersededBy, releasedAt }: BuildView): string {
  if (state === 'canceled') return supersededBy === undefined ? 'canceled' : `superseded by ${supersededBy}`;
  if (releasedAt !== undefined) return 'goes on for others that share its run, and is canceled with the last of them';
  return `had already ${state === 'succeeded' ? 'succeeded' : 'failed'}`;
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
