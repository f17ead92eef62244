import { kilnConfigJsonSchema } from '@kiln/contracts';
import { localCommand } from '../../framework/command.ts';
import { commandGroup } from '../../framework/command-group.ts';
import { printJson } from '../../framework/print.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { SUMMARIES } from '../summaries.ts';
import { checkCommand } from './check.ts';
import { explainCommand } from './explain.ts';

const schemaCommand = localCommand(
  {
    name: 'config schema',
    summary: 'Print the JSON Schema of .kiln.yaml, for editors',
    operands: [0, 0],
    flags: {},
  },
  async ({ io }) => {
    printJson(io, kilnConfigJsonSchema());
    return EXIT.ok;
  },
);

export const configCommand = commandGroup({
  name: 'config',
  summary: SUMMARIES.config,
  description:
    'Work with .kiln.yaml, the file that defines the images of a repository and the events that build them. These commands need no server.',
  commands: { check: checkCommand, explain: explainCommand, schema: schemaCommand },
});
