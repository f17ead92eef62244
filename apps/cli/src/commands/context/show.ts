import { localCommand } from '../../framework/command.ts';
import { OUTPUT_FLAGS, printOne } from '../../framework/print.ts';
import { UsageError } from '../../io/errors.ts';
import { fieldLines } from '../../io/table.ts';
import { JSON_FLAG } from '../../server/client-command.ts';
import { contextsFile } from '../../server/contexts.ts';
import { contextRows, hiddenBy, loginText } from './rows.ts';

export const showCommand = localCommand(
  {
    name: 'context show',
    synopsis: '[NAME]',
    summary: 'Show a context, by default the one in use, without its token',
    operands: [0, 1],
    flags: { ...OUTPUT_FLAGS, ...JSON_FLAG },
  },
  async ({ flags, operands: [named], io }) => {
    const rows = await contextRows(io);
    const row = rows.find(({ name, inUse }) => (named === undefined ? inUse : name === named));
    if (!row) {
      throw new UsageError(
        named === undefined
          ? 'there is no context in use; see `kiln context ls`'
          : `no context ${named}; see \`kiln context ls\``,
      );
    }
    hiddenBy(io);
    const { name, url, inUse } = row;
    return printOne(io, flags, {
      value: row,
      name,
      text: () =>
        fieldLines([
          ['name', name],
          ['url', url],
          ['login', loginText(row)],
          ['in use', inUse ? 'yes' : 'no'],
          ['file', contextsFile(io.env)],
        ]),
    });
  },
);
