import { runCommand } from '../../framework/command.ts';
import { type CommandGroup, runGroup } from '../../framework/command-group.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { readValue } from '../../io/read-value.ts';
import { hostOperand } from './host-operand.ts';
import { removal } from './remove.ts';
import { saySet, UNTRUSTED_FLAG, WHERE_FLAGS, whereOf } from './where.ts';

const SPEC = {
  usage: 'kiln git-token set [FLAGS] HOST',
  about:
    'Keeps a token by which builds read repositories of HOST: their source, and what their Dockerfiles ADD. One that may only read is ' +
    'enough, and better: RUN steps can mount it. The token comes from standard input, or is asked for on a terminal.',
  operands: [1, 1],
  flags: {
    username: {
      kind: 'text',
      short: 'u',
      value: 'NAME',
      help: 'Where the server wants a certain one, as Bitbucket does (x-token-auth); default: x-access-token',
    },
    ...WHERE_FLAGS,
    ...UNTRUSTED_FLAG,
  },
} as const;

function setCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const host = hostOperand(operands[0]);
    const token = await readValue(io, `Token for ${host}`);
    const secret = await client.setSecret({
      ...{ kind: 'git', host, token },
      ...(flags.username !== undefined && { username: flags.username }),
      ...whereOf(flags, io),
      untrustedOk: flags['untrusted-ok'] ?? false,
    });
    saySet(io, flags.json, secret, `token for ${secret.name}`);
    return EXIT.ok;
  });
}

const GROUP: CommandGroup = {
  name: 'git-token',
  about: 'Tokens by which Kiln reads a team’s repositories; kiln secret ls lists them.',
  operands: 'HOST',
  commands: {
    set: { about: 'Keep one, in place of the one there', run: setCommand },
    rm: {
      about: 'Remove it',
      run: removal(
        'git',
        'kiln git-token rm [FLAGS] HOST…',
        'Removes tokens; builds that start from now on don’t have them.',
      ),
    },
  },
  elsewhere: {
    ls: 'kiln secret ls lists them',
    list: 'kiln secret ls lists them',
    remove: 'kiln git-token rm does that',
  },
};

/** `kiln git-token …`. */
export function gitTokenCommand(args: readonly string[], io: Io): Promise<number> {
  return runGroup(GROUP, args, io);
}
