import type { KilnClient } from '@kiln/client';
import { CONNECTION_FLAGS, connect, findServer } from '../server/find-server.ts';
import { FlagError } from '../io/errors.ts';
import { EXIT } from '../io/exit-codes.ts';
import { type FlagTable, type FlagValues, parseFlags } from './flags.ts';
import { renderHelp } from './help.ts';
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

/** What a command that needs no server has to work with. */
export interface LocalInvocation<T extends FlagTable> {
  readonly flags: FlagValues<T>;
  readonly operands: readonly string[];
  readonly io: Io;
}

/** What a command has to work with. */
export interface Invocation<T extends FlagTable> extends LocalInvocation<T & typeof COMMON_FLAGS> {
  readonly client: KilnClient;
}

/** Reads a command line, answers --help, connects, and hands over. Throws `UsageError`. */
export function runCommand<T extends FlagTable>(
  spec: CommandSpec<T>,
  args: readonly string[],
  io: Io,
  body: (invocation: Invocation<T>) => Promise<number>,
): Promise<number> {
  return runLocalCommand({ ...spec, flags: { ...spec.flags, ...COMMON_FLAGS } }, args, io, async (local) => {
    const flags = local.flags as Invocation<T>['flags'];
    return body({ ...local, flags, client: connect(await findServer(flags, io.env)) });
  });
}

/** The same without a server: reads a command line, answers --help, and hands over. Throws `UsageError`. */
export async function runLocalCommand<T extends FlagTable>(
  spec: CommandSpec<T>,
  args: readonly string[],
  io: Io,
  body: (invocation: LocalInvocation<T>) => Promise<number>,
): Promise<number> {
  const table = { ...spec.flags, help: { kind: 'bool', short: 'h' } } as const satisfies FlagTable;
  const { flags: given, operands } = parseFlags(args, table);
  if (given.help) {
    const sections = [{ title: 'Flags', flags: table }];
    io.out.write(renderHelp({ usage: spec.usage, about: spec.about, sections }, io.out.columns));
    return EXIT.ok;
  }
  const [least, most] = spec.operands;
  if (operands.length < least || operands.length > most) throw new FlagError(`usage: ${spec.usage}`);
  return body({ flags: given as unknown as FlagValues<T>, operands, io });
}
