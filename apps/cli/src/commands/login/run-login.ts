import { type KilnClient, KilnProblem } from '@kiln/client';
import type { WhoamiView } from '@kiln/contracts';
import { ALL_TEAMS } from '@kiln/domain';
import type { LocalInvocation } from '../../framework/command.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { untilInterrupted } from '../../io/interruptible.ts';
import type { Io } from '../../io/output.ts';
import { readValue } from '../../io/read-value.ts';
import { connect } from '../../server/connect.ts';
import {
  type Contexts,
  changeContexts,
  checkContextName,
  contextsFile,
  readContexts,
  serverUrl,
  withContext,
} from '../../server/contexts.ts';
import { isSameServer } from '../../server/local-pools.ts';
import { browserLogin } from './browser-login.ts';
import type { LOGIN_FLAGS } from './login-flags.ts';

/** Logs in to a server and stores the token. @throws UsageError, and the errors of the client */
export async function runLogin({ flags, operands: [given], io }: LocalInvocation<typeof LOGIN_FLAGS>): Promise<number> {
  const before = await readContexts(io.env);
  const url = serverUrl(given ?? knownUrl(before, io.env));
  const name = flags.name === undefined ? defaultName(url, before) : checkContextName(flags.name);
  const anonymous = connect({ url, token: undefined, from: 'URL' });
  return untilInterrupted(
    io,
    async (signal) => {
      const byBrowser = flags['token-stdin']
        ? undefined
        : await browserLogin({ client: anonymous, io, opens: !flags['no-browser'], signal });
      const token = byBrowser ?? (await readToken(io, url));
      const me = await identity(connect({ url, token, from: 'URL' }), signal);
      const expiresAt = me.expiresAt === undefined ? undefined : Date.parse(me.expiresAt);
      const context = { url, token, ...(expiresAt !== undefined && { expiresAt }) };
      await changeContexts(io.env, (now) => withContext(now, name, context, true));
      const team = me.team === ALL_TEAMS ? 'all teams' : me.team ? `team ${me.team}` : 'no team';
      const until = me.expiresAt === undefined ? '' : ` until ${me.expiresAt}`;
      io.err.line(`Logged in to ${url} as ${me.name} (${team})${until}`);
      io.err.line(`The context ${name} is in use; its token is stored in ${contextsFile(io.env)}`);
      warnOfVariables(url, io);
      return EXIT.ok;
    },
    'interrupted; nothing was stored',
  );
}

function knownUrl({ current, contexts }: Contexts, env: Io['env']): string {
  const url = (current === undefined ? undefined : contexts[current]?.url) ?? env.KILN_URL;
  if (!url)
    throw new UsageError('URL is required: there is no context in use; as in `kiln login https://kiln.example.com`');
  return url;
}

/** The context of this server, if it has one, or else the name of the server. */
function defaultName(url: string, { contexts }: Contexts): string {
  const known = Object.entries(contexts).find(([, context]) => isSameServer(context.url, url));
  return known?.[0] ?? checkContextName(new URL(url).hostname.replace(/^\[|\]$/g, '').replaceAll(':', '-'));
}

async function readToken(io: Io, url: string): Promise<string> {
  const token = (await readValue(io, `Token of ${url}`)).trim();
  if (token === '') throw new UsageError('got no token, expected one, as `kiln token create` prints it');
  return token;
}

async function identity(client: KilnClient, signal: AbortSignal): Promise<WhoamiView> {
  try {
    return await client.whoami({ signal });
  } catch (error) {
    if (!(error instanceof KilnProblem) || error.problem.code !== 'unauthorized') throw error;
    throw new UsageError(`${client.url} refused the token: ${error.problem.detail}; nothing was stored`);
  }
}

/** Says which variables of the environment hide the login. */
function warnOfVariables(url: string, { env, err }: Io): void {
  const hiding = ['KILN_URL', 'KILN_TOKEN', 'KILN_CONTEXT'].filter(
    (name) => env[name] && !(name === 'KILN_URL' && isSameServer(env[name], url)),
  );
  if (hiding.length > 0)
    err.line(
      `kiln: ${hiding.join(' and ')} in the environment take${hiding.length === 1 ? 's' : ''} precedence over it`,
    );
}
