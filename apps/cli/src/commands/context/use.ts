import { localCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { changeContexts, contextNamed, LOCAL_CONTEXT } from '../../server/contexts.ts';
import { hiddenBy } from './rows.ts';

export const useCommand = localCommand(
  {
    name: 'context use',
    synopsis: 'NAME',
    summary: 'Use a context from now on',
    description: 'Use a context from now on, in all terminals. local is the pool that kiln up runs on this machine.',
    examples: ['kiln context use staging', 'kiln context use local'],
    operands: [1, 1],
    flags: {},
  },
  async ({ operands: [name = ''], io }) => {
    await changeContexts(io.env, (before) => {
      const { current: _, ...rest } = before;
      if (name === LOCAL_CONTEXT) return rest;
      contextNamed(before, name, 'NAME');
      return { ...rest, current: name };
    });
    io.err.line(`Using context ${name}`);
    hiddenBy(io);
    return EXIT.ok;
  },
);
