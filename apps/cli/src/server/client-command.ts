import type { KilnClient } from '@kiln/client';
import {
  type Command,
  type CommandSpec,
  defineCommand,
  HELP_FLAG,
  type LocalInvocation,
} from '../framework/command.ts';
import type { FlagTable } from '../framework/flags.ts';
import { CONNECTION_FLAGS, CONNECTION_SECTION, findServer } from './find-server.ts';

/** The flag of every command that prints something. */
export const JSON_FLAG = { json: { kind: 'bool', help: 'Print JSON' } } as const satisfies FlagTable;

type ClientFlags<T extends FlagTable> = T & typeof JSON_FLAG & typeof CONNECTION_FLAGS;

export interface Invocation<T extends FlagTable> extends LocalInvocation<ClientFlags<T>> {
  readonly client: KilnClient;
}

/** Defines a command that talks to a server: adds the flags for the connection and `--json`, and passes a client. */
export function clientCommand<T extends FlagTable>(
  spec: CommandSpec<T>,
  body: (invocation: Invocation<T>) => Promise<number>,
): Command {
  const own = { ...spec.flags, ...JSON_FLAG };
  const sections = [{ title: 'Flags', flags: { ...own, ...HELP_FLAG } }, CONNECTION_SECTION];
  return defineCommand({ ...spec, flags: { ...own, ...CONNECTION_FLAGS } }, sections, async (local) => {
    const invocation = local as unknown as LocalInvocation<ClientFlags<T>>;
    const server = await findServer(local.flags as Parameters<typeof findServer>[0], local.io.env);
    // The client brings the schemas of all answers, which a help page doesn't need.
    const { connect } = await import('./connect.ts');
    return body({ ...invocation, client: connect(server) });
  });
}
