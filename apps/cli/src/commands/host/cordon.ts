import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { forEachHost, printHost } from './for-each-host.ts';
import { buildsText } from './host-text.ts';

export const cordonCommand = clientCommand(
  {
    name: 'host cordon',
    synopsis: 'NAME...',
    summary: 'Stop placing builds on hosts',
    description: 'Stop placing builds on hosts until kiln host uncordon. Builds that the hosts already have continue.',
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {},
  },
  ({ flags, client, operands, io }) =>
    forEachHost(operands, io, async (name) => {
      const host = await client.cordonHost(name);
      printHost(io, flags.json, host, `${name} cordoned${host.builds.length > 0 ? `; ${buildsText(host)}` : ''}`);
      return EXIT.ok;
    }),
);

export const uncordonCommand = clientCommand(
  {
    name: 'host uncordon',
    synopsis: 'NAME...',
    summary: 'Resume placing builds on hosts',
    description: 'Resume placing builds on hosts. Ends a cordon, a drain, or a removal that is under way.',
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {},
  },
  ({ flags, client, operands, io }) =>
    forEachHost(operands, io, async (name) => {
      const host = await client.uncordonHost(name);
      printHost(io, flags.json, host, `${name} uncordoned${host.state === 'ready' ? '' : `; it is ${host.state}`}`);
      return EXIT.ok;
    }),
);
