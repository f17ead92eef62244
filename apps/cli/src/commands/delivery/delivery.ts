import type { DeliveryView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Channel, Io } from '../../io/output.ts';

const SPEC = {
  usage: 'kiln delivery [FLAGS] ID',
  about:
    'Says what became of a webhook: which builds it made, why it made no others, and what was reported to the forge. With --redeliver it is worked on once more; images that it has built aren’t built again. Exit code: 1 where it has failed.',
  operands: [1, 1],
  flags: { redeliver: { kind: 'bool', help: 'Work on it once more' } },
} as const;

/** `kiln delivery`. */
export function deliveryCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const id = (operands[0] ?? '').toLowerCase();
    const delivery = flags.redeliver ? await client.hooks.redeliver(id) : await client.hooks.delivery(id);
    if (flags.json) io.out.line(JSON.stringify(delivery, null, 2));
    else printDelivery(delivery, io.out);
    return delivery.state === 'failed' ? EXIT.invalid : EXIT.ok;
  });
}

function printDelivery(delivery: DeliveryView, out: Channel): void {
  const { connection, forge, forgeId, state, receivedAt, tries, retryAt, failure, events, reports = [] } = delivery;
  const tried = tries === 1 ? '1 try' : `${tries} tries`;
  out.line(`${forge} ${forgeId}, by connection ${connection}, ${receivedAt}: ${state} after ${tried}`);
  if (failure) out.line(out.style(state === 'failed' ? 'red' : 'yellow', `  ${failure.message} [${failure.code}]`));
  if (retryAt !== undefined) out.line(`  tried again ${retryAt}`);
  for (const { event, none, images, canceled } of events) {
    out.line(event);
    if (none !== undefined && none !== failure?.message) out.line(`  nothing built: ${none}`);
    for (const { image, build, why, notes } of images) {
      out.line(build === undefined ? `  ${image}: not built: ${why}` : `  ${image}: build ${build}`);
      for (const note of notes) out.line(out.style('dim', `    ${note}`));
    }
    for (const build of canceled) out.line(`  canceled build ${build}`);
  }
  for (const { context, reported, why, gaveUp } of reports) {
    const fault = why === undefined ? '' : `; ${gaveUp ? 'given up' : 'to be tried again'}: ${why}`;
    out.line(`reported ${context}: ${reported ?? 'nothing yet'}${fault}`);
  }
}
