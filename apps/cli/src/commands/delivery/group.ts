import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { listCommand } from './deliveries.ts';
import { redeliverCommand, showCommand } from './delivery.ts';

export const deliveryCommand = commandGroup({
  name: 'delivery',
  summary: SUMMARIES.delivery,
  description: 'List, show and repeat the webhooks that forges send.',
  commands: { ls: listCommand, show: showCommand, redeliver: redeliverCommand },
  hints: { list: 'use kiln delivery ls', resend: 'use kiln delivery redeliver' },
});
