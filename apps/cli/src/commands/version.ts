import type { KilnClient } from '@kiln/client';
import { fitsServer } from '@kiln/domain';
import { CLI_VERSION } from '../cli-version.ts';
import { defineCommand, HELP_FLAG } from '../framework/command.ts';
import { printJson } from '../framework/print.ts';
import { UsageError } from '../io/errors.ts';
import { EXIT } from '../io/exit-codes.ts';
import type { Io } from '../io/output.ts';
import { CONNECTION_FLAGS, CONNECTION_SECTION, findServer, NoServer, type Server } from '../server/find-server.ts';
import { SUMMARIES } from './summaries.ts';

/** How long the server may take to answer. */
const TIMEOUT_MS = 2_000;

const FLAGS = { json: { kind: 'bool', help: 'Print JSON' } } as const;

/** What is known of the server. Without `url`, no server could be chosen. */
type ServerVersion = { readonly url?: string } & (
  | { readonly version: string; readonly fits: boolean | undefined }
  | { readonly error: string }
);

export const versionCommand = defineCommand(
  {
    name: 'version',
    summary: SUMMARIES.version,
    description:
      'Print the version of this command and, where a server is known, its version and whether this command fits it: the same major version, and a minor version that is not newer than the server’s. Waits for the server for at most two seconds, and succeeds also without its answer. `kiln --version` is the same.',
    operands: [0, 0],
    flags: { ...FLAGS, ...CONNECTION_FLAGS },
  },
  [{ title: 'Flags', flags: { ...FLAGS, ...HELP_FLAG } }, CONNECTION_SECTION],
  async ({ flags, io }) => {
    const server = await serverVersion(flags, io);
    if (flags.json) printJson(io, { version: CLI_VERSION, ...(server && { server }) });
    else await printText(server, io);
    // A name that is still being looked up would keep the process alive.
    if (server && 'error' in server) io.exitNow(EXIT.ok);
    return EXIT.ok;
  },
);

async function printText(server: ServerVersion | undefined, { out, err }: Io): Promise<void> {
  out.line(`kiln ${CLI_VERSION}`);
  if (!server) return;
  const at = server.url === undefined ? '' : ` (${server.url})`;
  if ('error' in server) return err.line(`kiln: the server's version is not known: ${server.error}`);
  out.line(`server ${server.version}${at}`);
  const { misfitText } = await import('../server/version-fit.ts');
  const misfit = misfitText(server.version);
  if (misfit !== undefined) err.line(`kiln: ${misfit}`);
}

async function serverVersion(
  flags: Parameters<typeof findServer>[0],
  { env }: Pick<Io, 'env'>,
): Promise<ServerVersion | undefined> {
  let server: Server | undefined;
  try {
    server = await findServer(flags, env);
    const { connect } = await import('../server/connect.ts');
    // Needs no token, which might have to be fetched first.
    const version = await ask(connect({ ...server, token: undefined }));
    return { url: server.url, version, fits: fitsServer(CLI_VERSION, version) };
  } catch (error) {
    if (error instanceof NoServer) return undefined;
    const text = await reasonOf(error);
    return { ...(server && { url: server.url }), error: text };
  }
}

async function ask(client: KilnClient): Promise<string> {
  return (await client.version({ signal: AbortSignal.timeout(TIMEOUT_MS) })).version;
}

async function reasonOf(error: unknown): Promise<string> {
  if (error instanceof UsageError) return error.message;
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`;
  const { KilnProblem } = await import('@kiln/client');
  if (error instanceof KilnProblem && error.problem.code === 'not_found') return 'it is too old to tell it';
  return error instanceof Error ? error.message : String(error);
}
