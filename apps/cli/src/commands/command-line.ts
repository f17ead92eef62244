import type { KilnClient } from '@kiln/client';
import { CONNECTION_FLAGS, connect, findServer } from '../connection/find-server.ts';
import { FlagError } from '../io/errors.ts';
import { EXIT } from '../io/exit-codes.ts';
import { type FlagTable, type FlagValues, parseFlags } from '../io/flags.ts';
import { renderHelp } from '../io/help.ts';
import type { Io } from '../io/output.ts';

const COMMON_FLAGS = {
  json: { kind: 'bool', help: 'JSON on standard output' },
  ...CONNECTION_FLAGS,
  help: { kind: 'bool', short: 'h' },
} as const satisfies FlagTable;

export interface CommandSpec<T extends FlagTable> {
  readonly usage: string;
  readonly about: string;
  readonly flags: T;
  /** How many operands it takes, at least and at most. */
  readonly operands: readonly [number, number];
}

/** What a command has to work with. */
export interface Invocation<T extends FlagTable> {
  readonly flags: FlagValues<T> & FlagValues<typeof COMMON_FLAGS>;
  readonly operands: readonly string[];
  readonly client: KilnClient;
  readonly io: Io;
}

/** Reads a command line, answers --help, connects, and hands over. Throws `UsageError`. */
export async function runCommand<T extends FlagTable>(
  spec: CommandSpec<T>,
  args: readonly string[],
  io: Io,
  body: (invocation: Invocation<T>) => Promise<number>,
): Promise<number> {
  const { flags: given, operands } = parseFlags(args, { ...spec.flags, ...COMMON_FLAGS });
  const flags = given as Invocation<T>['flags'];
  if (flags.help) {
    const sections = [{ title: 'Flags', flags: { ...spec.flags, ...COMMON_FLAGS } }];
    io.out.write(renderHelp({ usage: spec.usage, about: spec.about, sections }, io.out.columns));
    return EXIT.ok;
  }
  const [least, most] = spec.operands;
  if (operands.length < least || operands.length > most) throw new FlagError(`usage: ${spec.usage}`);
  return body({ flags, operands, client: connect(await findServer(flags, io.env)), io });
}
