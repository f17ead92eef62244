import { confirm } from '../../io/confirm.ts';
import type { Io } from '../../io/output.ts';

/** The flag that drops without asking. */
export const YES_FLAG = {
  yes: { kind: 'bool', short: 'y', help: 'Do not ask for confirmation; asked only at a terminal' },
} as const;

interface DropFlags {
  readonly yes: boolean | undefined;
  readonly 'dry-run': boolean | undefined;
  readonly json: boolean | undefined;
  readonly host: readonly string[];
}

/** Asks at a terminal whether to drop `what`. Returns false, and says that nothing was dropped, unless the answer is yes. */
export async function confirmDrop(io: Io, what: string, flags: DropFlags): Promise<boolean> {
  if (flags.yes || flags['dry-run'] || flags.json) return true;
  const where = flags.host.length === 0 ? 'all hosts' : flags.host.join(', ');
  if (await confirm(io, `Drop ${what} on ${where}?`)) return true;
  io.err.line('kiln: nothing was dropped');
  return false;
}
