import type { HostInfoView } from '@kiln/contracts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { explainError } from '../../server/explain-error.ts';

/** Runs `act` for each host, side by side. An error of one host doesn't affect the others. Returns the exit code. */
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

/** Prints a host as JSON, or `text` in its place. */
export function printHost(io: Io, json: boolean | undefined, host: HostInfoView, text: string): void {
  io.out.line(json ? JSON.stringify(host) : text);
}
