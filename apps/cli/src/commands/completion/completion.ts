import { localCommand } from '../../framework/command.ts';
import { oneOf } from '../../framework/flag-values.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { SUMMARIES } from '../summaries.ts';
import { SCRIPTS, SHELLS } from './scripts.ts';

export const completionCommand = localCommand(
  {
    name: 'completion',
    synopsis: 'bash|zsh|fish',
    summary: SUMMARIES.completion,
    description:
      'Print the completion script of a shell. It completes commands and flags, and from the server ids of builds, hosts and repositories; where the server does not respond within a second, it completes the others.',
    examples: [
      '# In ~/.bashrc',
      'source <(kiln completion bash)',
      '# In ~/.zshrc, after compinit',
      'source <(kiln completion zsh)',
      '# Once, for fish',
      'kiln completion fish > ~/.config/fish/completions/kiln.fish',
    ],
    operands: [1, 1],
    flags: {},
  },
  async ({ operands: [shell = ''], io }) => {
    io.out.write(SCRIPTS[oneOf('SHELL', shell, SHELLS)]);
    return EXIT.ok;
  },
);
