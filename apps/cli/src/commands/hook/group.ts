import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { createCommand } from './create.ts';
import { listCommand } from './list.ts';
import { messagesCommand } from './messages.ts';
import { removeCommand } from './remove.ts';
import { resendCommand } from './resend.ts';
import { rotateSecretCommand } from './rotate-secret.ts';

export const hookCommand = commandGroup({
  name: 'hook',
  summary: SUMMARIES.hook,
  description: "Manage outgoing webhooks: Kiln calls a URL when a team's builds start or end.",
  commands: {
    create: createCommand,
    ls: listCommand,
    'rotate-secret': rotateSecretCommand,
    rm: removeCommand,
    messages: messagesCommand,
    resend: resendCommand,
  },
  hints: {
    list: 'use kiln hook ls',
    remove: 'use kiln hook rm',
    delete: 'use kiln hook rm',
    redeliver: 'use kiln hook resend, or kiln delivery redeliver for incoming webhooks',
  },
});
