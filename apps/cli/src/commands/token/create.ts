import type { TokenRequest } from '@kiln/contracts';
import { ALL_TEAMS, parseDuration, SCOPES, type Scope } from '@kiln/domain';
import { badFlag, listOf } from '../../framework/flag-values.ts';
import { FlagError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';

const DEFAULT_SCOPES: readonly Scope[] = ['builds:read', 'builds:write', 'logs:read'];
const DEFAULT_LIFE = '90d';

export const createCommand = clientCommand(
  {
    name: 'token create',
    synopsis: 'NAME',
    summary: 'Create a token',
    description:
      'Create a token and print it to standard output, alone, so that it can be piped into a secret store. It cannot be shown again: Kiln stores only its hash. ' +
      'NAME describes who or what uses the token.',
    examples: [
      'kiln token create --team web ci-of-web',
      'kiln token create --all-teams -s builds:read,logs:read --expires never dashboard',
      'kiln token create --worker build-01 > join-token',
    ],
    operands: [1, 1],
    flags: {
      team: { kind: 'text', value: 'NAME', help: 'Team whose builds the token can access' },
      'all-teams': { kind: 'bool', help: 'Give access to the builds of all teams' },
      scope: {
        kind: 'list',
        short: 's',
        value: 'SCOPE',
        help: `${SCOPES.join(', ')} (repeatable; default: ${DEFAULT_SCOPES.join(', ')})`,
      },
      worker: { kind: 'bool', help: 'Create a join token for a worker, which can be used for nothing else' },
      untrusted: {
        kind: 'bool',
        help: 'Treat its builds as untrusted: no secrets, no --load, and pushes only as KILN_UNTRUSTED_PUSH of the API allows',
      },
      expires: {
        kind: 'text',
        value: 'SPAN',
        help: `Lifetime, such as 30d or 12h, or never (default: ${DEFAULT_LIFE}; never for --worker)`,
      },
    },
  },
  async ({ flags, client, operands, io }) => {
    const { team, worker, untrusted } = flags;
    const isAllTeams = flags['all-teams'] === true;
    if (team !== undefined && isAllTeams) throw new FlagError('--team cannot be combined with --all-teams');
    const scopes = worker ? [] : readScopes(flags.scope);
    if (!worker && team === undefined && !isAllTeams && !scopes.includes('admin')) {
      throw new FlagError('--team or --all-teams is required');
    }
    if (worker && (team !== undefined || isAllTeams || flags.scope.length > 0 || untrusted)) {
      throw new FlagError('--worker cannot be combined with --team, --all-teams, --scope or --untrusted');
    }
    const request: TokenRequest = {
      name: operands[0] ?? '',
      kind: worker ? 'worker' : 'api',
      scopes,
      expiresInSeconds: readLife(flags.expires ?? (worker ? 'never' : DEFAULT_LIFE)),
      ...(team !== undefined && { team }),
      ...(isAllTeams && { team: ALL_TEAMS }),
      ...(untrusted && { trust: 'untrusted' }),
    };
    const created = await client.createToken(request);
    if (flags.json) {
      io.out.line(JSON.stringify(created));
      return EXIT.ok;
    }
    const until = created.expiresAt === undefined ? 'until it is revoked' : `until ${created.expiresAt}`;
    io.err.line(`kiln: token ${created.id} (${created.name}), valid ${until}; it is not shown again:`);
    io.out.line(created.token);
    return EXIT.ok;
  },
);

function readScopes(given: readonly string[]): Scope[] {
  const scopes = listOf('--scope', given, SCOPES);
  return scopes.length > 0 ? [...new Set(scopes)] : [...DEFAULT_SCOPES];
}

function readLife(text: string): number | null {
  if (text === 'never') return null;
  const seconds = parseDuration(text);
  if (seconds !== undefined && seconds > 0) return seconds;
  throw badFlag('--expires', text, 'a span such as 30d or 12h, or never');
}
