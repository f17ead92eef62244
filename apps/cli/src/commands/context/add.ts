import { localCommand } from '../../framework/command.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { changeContexts, checkContextName, serverUrl, withContext } from '../../server/contexts.ts';

export const addCommand = localCommand(
  {
    name: 'context add',
    synopsis: 'NAME URL',
    summary: 'Add a context, or replace one of the same name',
    description:
      'Add a context, or replace one of the same name, without asking the server. kiln login URL logs in to it; without a login, KILN_TOKEN or the identity of a CI job applies.',
    examples: [
      'kiln context add staging https://kiln.staging.example.com',
      'kiln context add --use --token-stdin prod https://kiln.example.com < token',
    ],
    operands: [2, 2],
    flags: {
      'token-stdin': { kind: 'bool', help: 'Read a token from standard input, and store it' },
      use: { kind: 'bool', help: 'Use it from now on' },
    },
  },
  async ({ flags, operands: [name = '', address = ''], io }) => {
    checkContextName(name);
    const url = serverUrl(address);
    let token: string | undefined;
    if (flags['token-stdin']) {
      const { readValue } = await import('../../io/read-value.ts');
      token = (await readValue(io, `Token of ${url}`)).trim();
      if (token === '') throw new UsageError('standard input: got nothing, expected a token');
    }
    const context = { url, ...(token !== undefined && { token }) };
    await changeContexts(io.env, (before) => withContext(before, name, context, flags.use ?? false));
    io.err.line(`Added context ${name}${flags.use ? ', and using it' : ''}`);
    return EXIT.ok;
  },
);
