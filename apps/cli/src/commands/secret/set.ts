import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { readValue, readValueFile } from '../../io/read-value.ts';
import { clientCommand } from '../../server/client-command.ts';
import { OWNER_FLAGS, ownerOf, printStored, UNTRUSTED_FLAG } from './owner.ts';

export const setCommand = clientCommand(
  {
    name: 'secret set',
    synopsis: 'NAME',
    summary: 'Store a secret, replacing the one of the same name',
    description:
      'Store a secret for builds that name it with kiln build --stored-secret NAME or under secrets in .kiln.yaml. ' +
      'The value is read from standard input (without a final line end), from a prompt on a terminal, or from a file. It cannot be read back.',
    examples: [
      'printenv NPM_TOKEN | kiln secret set NPM_TOKEN',
      'kiln secret set --repo github.com/acme/app --from-file key.pem SIGNING_KEY',
    ],
    operands: [1, 1],
    flags: {
      ...OWNER_FLAGS,
      'from-file': { kind: 'text', value: 'FILE', help: 'Read the value from a file, unchanged' },
      ...UNTRUSTED_FLAG,
    },
  },
  async ({ flags, client, operands, io }) => {
    const [name = ''] = operands;
    if (name.includes('=')) {
      throw new UsageError('a value on the command line can be read by others; pass it on standard input');
    }
    const file = flags['from-file'];
    const value = file === undefined ? await readValue(io, `Value of ${name}`) : await readValueFile(io, file);
    const secret = await client.setSecret({
      ...{ kind: 'build', name, value },
      ...ownerOf(flags, io),
      untrustedOk: flags['untrusted-ok'] ?? false,
    });
    printStored(io, flags.json, secret, name);
    return EXIT.ok;
  },
);
