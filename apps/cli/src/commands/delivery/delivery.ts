import type { DeliveryView } from '@kiln/contracts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Channel } from '../../io/output.ts';
import { printJson } from '../../io/print.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';

export const deliveryCommand = clientCommand(
  {
    name: 'delivery',
    synopsis: 'ID',
    summary: SUMMARIES.delivery,
    description:
      'Show the result of an incoming webhook: the builds that it created, why it created no others, and what was reported to the forge. ' +
      'With --redeliver, it is processed again; images that it has already built are not built again.',
    exitCodes: [
      ['0', 'the webhook was processed, or is pending'],
      ['1', 'processing the webhook has failed'],
    ],
    operands: [1, 1],
    flags: { redeliver: { kind: 'bool', help: 'Process the webhook again' } },
  },
  async ({ flags, client, operands, io }) => {
    const id = (operands[0] ?? '').toLowerCase();
    const delivery = flags.redeliver ? await client.hooks.redeliver(id) : await client.hooks.delivery(id);
    if (flags.json) printJson(io, delivery);
    else printDelivery(delivery, io.out);
    return delivery.state === 'failed' ? EXIT.invalid : EXIT.ok;
  },
);

function printDelivery(delivery: DeliveryView, out: Channel): void {
  const { connection, forge, forgeId, state, receivedAt, tries, retryAt, failure, events, reports = [] } = delivery;
  const tried = tries === 1 ? '1 try' : `${tries} tries`;
  out.line(`${forge} ${forgeId}, by connection ${connection}, ${receivedAt}: ${state} after ${tried}`);
  if (failure) out.line(out.style(state === 'failed' ? 'red' : 'yellow', `  ${failure.message} [${failure.code}]`));
  if (retryAt !== undefined) out.line(`  next try at ${retryAt}`);
  for (const { event, none, images, canceled } of events) {
    out.line(event);
    if (none !== undefined && none !== failure?.message) out.line(`  nothing to build: ${none}`);
    for (const { image, build, why, notes } of images) {
      out.line(build === undefined ? `  ${image}: not built: ${why}` : `  ${image}: build ${build}`);
      for (const note of notes) out.line(out.style('dim', `    ${note}`));
    }
    for (const build of canceled) out.line(`  canceled build ${build}`);
  }
  for (const { context, reported, why, gaveUp } of reports) {
    const fault = why === undefined ? '' : `; ${gaveUp ? 'gave up' : 'will be retried'}: ${why}`;
    out.line(`reported ${context}: ${reported ?? 'nothing yet'}${fault}`);
  }
}
