import { localCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { changeContexts, contextNamed } from '../../server/contexts.ts';

export const removeCommand = localCommand(
  {
    name: 'context rm',
    synopsis: 'NAME...',
    summary: 'Remove contexts with their tokens',
    description:
      'Remove contexts with their tokens from this machine. Their sessions and tokens stay valid on the server: kiln logout ends a session.',
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {},
  },
  async ({ operands, io }) => {
    await changeContexts(io.env, ({ current, contexts }) => {
      for (const name of operands) contextNamed({ contexts }, name, 'NAME');
      const kept = Object.entries(contexts).filter(([name]) => !operands.includes(name));
      const isKept = current !== undefined && !operands.includes(current);
      return { ...(isKept && { current }), contexts: Object.fromEntries(kept) };
    });
    for (const name of operands) io.err.line(`Removed context ${name}`);
    return EXIT.ok;
  },
);
