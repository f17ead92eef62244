import type { HostInfoView } from '@kiln/contracts';
import { explainError } from '../../server/explain-error.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';

/** Does the same with each host of a command line; one that it fails for doesn't keep it from the others. Gives back the exit code. */
export async function forEachHost(
  names: readonly string[],
  io: Io,
  act: (name: string) => Promise<number>,
): Promise<number> {
  const codes = await Promise.all(
    [...new Set(names)].map(async (name) => {
      try {
        return await act(name);
      } catch (error) {
        const explained = explainError(error);
        if (explained === undefined) throw error;
        io.err.line(`kiln: ${name}: ${explained}`);
        return EXIT.usage;
      }
    }),
  );
  return Math.max(...codes);
}

/** The host as JSON where that is asked for, else the words. */
export function sayHost(io: Io, json: boolean | undefined, host: HostInfoView, words: string): void {
  io.out.line(json ? JSON.stringify(host) : words);
}
