import type { Command } from '../framework/command.ts';
import { auditCommand } from './audit/audit.ts';
import { buildCommand } from './build/build.ts';
import { cancelCommand } from './build/cancel.ts';
import { logsCommand } from './build/logs.ts';
import { psCommand } from './build/ps.ts';
import { retryCommand } from './build/retry.ts';
import { whyCommand } from './build/why.ts';
import { configCommand } from './config/group.ts';
import { connectionCommand } from './connection/group.ts';
import { deliveriesCommand } from './delivery/deliveries.ts';
import { deliveryCommand } from './delivery/delivery.ts';
import { hookCommand } from './hook/group.ts';
import { hostCommand } from './host/group.ts';
import { hostsCommand } from './host/hosts.ts';
import { limitsCommand } from './limits/group.ts';
import { upCommand } from './pool/up.ts';
import { workerCommand } from './pool/worker.ts';
import { scheduleCommand } from './schedule/group.ts';
import { gitTokenCommand } from './secret/git-token.ts';
import { secretCommand } from './secret/group.ts';
import { registryCommand } from './secret/registry.ts';
import { tokenCommand } from './token/group.ts';
import { whoamiCommand } from './token/whoami.ts';

export interface CommandSection {
  readonly title: string;
  readonly commands: Readonly<Record<string, Command>>;
}

/** All commands of `kiln`, in the order of its help. */
export const CATALOG: readonly CommandSection[] = [
  {
    title: 'Builds',
    commands: {
      build: buildCommand,
      ps: psCommand,
      logs: logsCommand,
      why: whyCommand,
      cancel: cancelCommand,
      retry: retryCommand,
      schedule: scheduleCommand,
    },
  },
  { title: 'Pool', commands: { up: upCommand, worker: workerCommand, hosts: hostsCommand, host: hostCommand } },
  {
    title: 'Webhooks',
    commands: {
      config: configCommand,
      connection: connectionCommand,
      deliveries: deliveriesCommand,
      delivery: deliveryCommand,
      hook: hookCommand,
    },
  },
  { title: 'Secrets', commands: { secret: secretCommand, registry: registryCommand, 'git-token': gitTokenCommand } },
  {
    title: 'Access',
    commands: { whoami: whoamiCommand, token: tokenCommand, limits: limitsCommand, audit: auditCommand },
  },
];

/** All commands by name. */
export const COMMANDS: Readonly<Record<string, Command>> = Object.assign(
  {},
  ...CATALOG.map(({ commands }) => commands),
);
