import { runCommand } from '../../framework/command.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { readValue, readValueFile } from '../../io/read-value.ts';
import { saySet, UNTRUSTED_FLAG, WHERE_FLAGS, whereOf } from './where.ts';

const SPEC = {
  usage: 'kiln secret set [FLAGS] NAME',
  about:
    'Keeps a secret for builds that name it: kiln build --stored-secret NAME, `secrets` in .kiln.yaml. The value comes from standard ' +
    'input (a line end at its end is dropped), is asked for on a terminal, or is a file’s. Nothing shows it again.',
  operands: [1, 1],
  flags: {
    ...WHERE_FLAGS,
    'from-file': { kind: 'text', value: 'FILE', help: 'The value is this file’s content, as it is' },
    ...UNTRUSTED_FLAG,
  },
} as const;

export function setCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const [name = ''] = operands;
    if (name.includes('='))
      throw new UsageError('the value doesn’t belong on the command line, where others can read it');
    const file = flags['from-file'];
    const value = file === undefined ? await readValue(io, `Value of ${name}`) : await readValueFile(io, file);
    const secret = await client.setSecret({
      ...{ kind: 'build', name, value },
      ...whereOf(flags, io),
      untrustedOk: flags['untrusted-ok'] ?? false,
    });
    saySet(io, flags.json, secret, name);
    return EXIT.ok;
  });
}
