import { commandGroup } from '../../framework/command-group.ts';
import { FlagError } from '../../io/errors.ts';
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
    name: 'registry set',
    synopsis: 'HOST',
    summary: 'Store a registry login, replacing the one for the same host',
    description:
      'Store a login with which builds pull from and push to a registry. docker.io is Docker Hub. The password is read from standard input with --password-stdin, or from a prompt on a terminal.',
    examples: ['printenv REGISTRY_PASSWORD | kiln registry set -u robot --password-stdin registry.example.org'],
    operands: [1, 1],
    flags: {
      username: { kind: 'text', short: 'u', value: 'NAME', help: 'User of the registry (required)' },
      'password-stdin': { kind: 'bool', help: 'Read the password from standard input' },
      ...OWNER_FLAGS,
      ...UNTRUSTED_FLAG,
    },
  },
  async ({ flags, client, operands, io }) => {
    const host = hostOperand(operands[0]);
    const { username } = flags;
    if (username === undefined) throw new FlagError('--username is required');
    if (!flags['password-stdin'] && !io.stdin.isTTY) {
      throw new FlagError('standard input is not a terminal; pipe the password and add --password-stdin');
    }
    const password = await readValue(io, `Password of ${username} at ${host}`);
    const secret = await client.setSecret({
      ...{ kind: 'registry', host, username, password },
      ...ownerOf(flags, io),
      untrustedOk: flags['untrusted-ok'] ?? false,
    });
    printStored(io, flags.json, secret, `login to ${secret.name}`);
    return EXIT.ok;
  },
);

export const registryCommand = commandGroup({
  name: 'registry',
  summary: SUMMARIES.registry,
  description: 'Manage the registry logins of the builds of a team.',
  commands: {
    set: setCommand,
    ls: kindList('registry', 'registry'),
    rm: removal('registry', {
      name: 'registry rm',
      synopsis: 'HOST...',
      summary: 'Remove registry logins',
      description: 'Remove registry logins. Builds that start from now on do not get them.',
    }),
  },
  hints: { list: 'use kiln registry ls', remove: 'use kiln registry rm', delete: 'use kiln registry rm' },
});
