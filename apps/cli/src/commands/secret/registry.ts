import { runCommand } from '../../framework/command.ts';
import { type CommandGroup, runGroup } from '../../framework/command-group.ts';
import { FlagError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { readValue } from '../../io/read-value.ts';
import { hostOperand } from './host-operand.ts';
import { removal } from './remove.ts';
import { saySet, UNTRUSTED_FLAG, WHERE_FLAGS, whereOf } from './where.ts';

const SPEC = {
  usage: 'kiln registry login [FLAGS] HOST',
  about: 'Keeps a login to a registry: builds pull and push with it there. docker.io is Docker Hub.',
  operands: [1, 1],
  flags: {
    username: { kind: 'text', short: 'u', value: 'NAME', help: 'User of the registry' },
    'password-stdin': { kind: 'bool', help: 'The password comes on standard input, and isn’t asked for' },
    ...WHERE_FLAGS,
    ...UNTRUSTED_FLAG,
  },
} as const;

function loginCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const host = hostOperand(operands[0]);
    const { username } = flags;
    if (username === undefined) throw new FlagError('whose password? Give --username');
    if (!flags['password-stdin'] && !io.stdin.isTTY)
      throw new FlagError('give --password-stdin, and the password there');
    const password = await readValue(io, `Password of ${username} at ${host}`);
    const secret = await client.setSecret({
      ...{ kind: 'registry', host, username, password },
      ...whereOf(flags, io),
      untrustedOk: flags['untrusted-ok'] ?? false,
    });
    saySet(io, flags.json, secret, `login to ${secret.name}`);
    return EXIT.ok;
  });
}

const GROUP: CommandGroup = {
  name: 'registry',
  about: 'Logins to registries that Kiln keeps for a team’s builds; kiln secret ls lists them.',
  operands: 'HOST',
  commands: {
    login: { about: 'Keep a login, in place of the one there', run: loginCommand },
    logout: {
      about: 'Remove it',
      run: removal(
        'registry',
        'kiln registry logout [FLAGS] HOST…',
        'Removes logins; builds that start from now on don’t have them.',
      ),
    },
  },
  elsewhere: {
    ls: 'kiln secret ls lists them',
    list: 'kiln secret ls lists them',
    rm: 'kiln registry logout does that',
  },
};

/** `kiln registry …`. */
export function registryCommand(args: readonly string[], io: Io): Promise<number> {
  return runGroup(GROUP, args, io);
}
