import { commandGroup } from '../../framework/command-group.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { readValue } from '../../io/read-value.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';
import { hostOperand } from './host-operand.ts';
import { kindList } from './list.ts';
import { OWNER_FLAGS, ownerOf, printStored, UNTRUSTED_FLAG } from './owner.ts';
import { removal } from './remove.ts';

const setCommand = clientCommand(
  {
    name: 'git-token set',
    synopsis: 'HOST',
    summary: 'Store a git token, replacing the one for the same host',
    description:
      'Store a token with which builds read repositories of HOST: their source, and what their Dockerfiles ADD. ' +
      'Use a read-only token, because RUN steps can mount it. The token is read from standard input or from a prompt on a terminal.',
    operands: [1, 1],
    flags: {
      username: {
        kind: 'text',
        short: 'u',
        value: 'NAME',
        help: 'User for the token, such as x-token-auth for Bitbucket (default: x-access-token)',
      },
      ...OWNER_FLAGS,
      ...UNTRUSTED_FLAG,
    },
  },
  async ({ flags, client, operands, io }) => {
    const host = hostOperand(operands[0]);
    const token = await readValue(io, `Token for ${host}`);
    const secret = await client.setSecret({
      ...{ kind: 'git', host, token },
      ...(flags.username !== undefined && { username: flags.username }),
      ...ownerOf(flags, io),
      untrustedOk: flags['untrusted-ok'] ?? false,
    });
    printStored(io, flags.json, secret, `token for ${secret.name}`);
    return EXIT.ok;
  },
);

export const gitTokenCommand = commandGroup({
  name: 'git-token',
  summary: SUMMARIES['git-token'],
  description: 'Manage the tokens with which builds of a team read git repositories.',
  commands: {
    set: setCommand,
    ls: kindList('git', 'git-token'),
    rm: removal('git', {
      name: 'git-token rm',
      synopsis: 'HOST...',
      summary: 'Remove git tokens',
      description: 'Remove git tokens. Builds that start from now on do not get them.',
    }),
  },
  hints: { list: 'use kiln git-token ls', remove: 'use kiln git-token rm', delete: 'use kiln git-token rm' },
});
