import type { DeliveryView } from '@kiln/contracts';
import { OUTPUT_FLAGS, type OutputFlags, printOne } from '../../framework/print.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Channel, Io } from '../../io/output.ts';
import { clientCommand } from '../../server/client-command.ts';

const EXIT_CODES = [
  ['0', 'the webhook was processed, or is pending'],
  ['1', 'processing the webhook has failed'],
] as const;

export const showCommand = clientCommand(
  {
    name: 'delivery show',
    synopsis: 'ID',
    summary: 'Show the result of an incoming webhook',
    description:
      'Show the result of an incoming webhook: the builds that it created, why it created no others, and what was reported to the forge.',
    exitCodes: EXIT_CODES,
    operands: [1, 1],
    flags: OUTPUT_FLAGS,
  },
  async ({ flags, client, operands, io }) => print(await client.hooks.delivery(idOf(operands)), flags, io),
);

export const redeliverCommand = clientCommand(
  {
    name: 'delivery redeliver',
    synopsis: 'ID',
    summary: 'Process an incoming webhook again',
    description:
      'Process an incoming webhook again, and show its result as kiln delivery show does. Images that it has already built are not built again.',
    exitCodes: EXIT_CODES,
    operands: [1, 1],
    flags: OUTPUT_FLAGS,
  },
  async ({ flags, client, operands, io }) => print(await client.hooks.redeliver(idOf(operands)), flags, io),
);

function idOf([id = '']: readonly string[]): string {
  return id.toLowerCase();
}

async function print(delivery: DeliveryView, flags: OutputFlags, io: Io): Promise<number> {
  await printOne(io, flags, { value: delivery, name: delivery.id, text: () => deliveryText(delivery, io.out) });
  return delivery.state === 'failed' ? EXIT.invalid : EXIT.ok;
}

function deliveryText(delivery: DeliveryView, out: Channel): string {
  const lines: string[] = [];
  const { connection, forge, forgeId, state, receivedAt, tries, retryAt, failure, events, reports = [] } = delivery;
  const tried = tries === 1 ? '1 try' : `${tries} tries`;
  lines.push(`${forge} ${forgeId}, by connection ${connection}, ${receivedAt}: ${state} after ${tried}`);
  if (failure) lines.push(out.style(state === 'failed' ? 'red' : 'yellow', `  ${failure.message} [${failure.code}]`));
  if (retryAt !== undefined) lines.push(`  next try at ${retryAt}`);
  for (const { event, none, images, canceled } of events) {
    lines.push(event);
    if (none !== undefined && none !== failure?.message) lines.push(`  nothing to build: ${none}`);
    for (const { image, build, why, notes } of images) {
      lines.push(build === undefined ? `  ${image}: not built: ${why}` : `  ${image}: build ${build}`);
      for (const note of notes) lines.push(out.style('dim', `    ${note}`));
    }
    for (const build of canceled) lines.push(`  canceled build ${build}`);
  }
  for (const { context, reported, why, gaveUp } of reports) {
    const fault = why === undefined ? '' : `; ${gaveUp ? 'gave up' : 'will be retried'}: ${why}`;
    lines.push(`reported ${context}: ${reported ?? 'nothing yet'}${fault}`);
  }
  return `${lines.join('\n')}\n`;
}
