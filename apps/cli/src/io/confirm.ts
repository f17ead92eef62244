import type { Io } from './output.ts';

/**
 * Asks a question at a terminal, and returns whether the answer is yes. Without a terminal nobody is there to answer, and scripts know what
 * they do: the answer is then yes.
 */
export async function confirm({ stdin, err }: Pick<Io, 'stdin' | 'err'>, question: string): Promise<boolean> {
  if (!stdin.isTTY || !err.isTerminal) return true;
  err.write(`${question} [y/N] `);
  const decoder = new TextDecoder();
  let typed = '';
  for await (const part of stdin) {
    typed += decoder.decode(part, { stream: true });
    if (typed.includes('\n')) break;
  }
  // Ctrl-D leaves the cursor behind the question.
  if (!typed.includes('\n')) err.line();
  return /^\s*y(?:es)?\s*$/i.test(typed.split('\n')[0] ?? '');
}
