import manifest from '../../package.json' with { type: 'json' };
import { localCommand } from '../framework/command.ts';
import { EXIT } from '../io/exit-codes.ts';
import { SUMMARIES } from './summaries.ts';

export const versionCommand = localCommand(
  { name: 'version', summary: SUMMARIES.version, operands: [0, 0], flags: {} },
  async ({ io }) => {
    io.out.line(`kiln ${manifest.version}`);
    return EXIT.ok;
  },
);
