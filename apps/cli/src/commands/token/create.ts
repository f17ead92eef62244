import type { TokenRequest } from '@kiln/contracts';
import { ALL_TEAMS, SCOPES, type Scope } from '@kiln/domain';
import { runCommand } from '../../framework/command.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { spanSeconds } from '../../io/spans.ts';

const DEFAULT_SCOPES: readonly Scope[] = ['builds:read', 'builds:write', 'logs:read'];
const DEFAULT_LIFE = '90d';

const SPEC = {
  usage: 'kiln token create [FLAGS] NAME',
  about:
    'Creates a token and prints it, this once: Kiln keeps only its hash. NAME says who or what uses it. ' +
    'On standard output is the token alone, so that it can be piped into a secret store.',
  operands: [1, 1],
  flags: {
    team: { kind: 'text', value: 'NAME', help: 'Team whose builds it reaches' },
    'all-teams': { kind: 'bool', help: 'Builds of all teams' },
    scope: {
      kind: 'list',
      short: 's',
      value: 'SCOPE',
      help: `${SCOPES.join(', ')}; may be repeated (default: ${DEFAULT_SCOPES.join(', ')})`,
    },
    worker: { kind: 'bool', help: 'For a worker: joins the pool, and does nothing else' },
    untrusted: {
      kind: 'bool',
      help: 'Its builds get no secrets, load nothing, and push only what KILN_UNTRUSTED_PUSH of the API lets them',
    },
    expires: { kind: 'text', value: 'SPAN', help: `30d, 12h or never (default: ${DEFAULT_LIFE}; a worker’s: never)` },
  },
} as const;

export function createCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const { team, worker, untrusted } = flags;
    const isAllTeams = flags['all-teams'] === true;
    if (team !== undefined && isAllTeams) throw new FlagError('give --team or --all-teams, not both');
    const scopes = worker ? [] : readScopes(flags.scope);
    if (!worker && team === undefined && !isAllTeams && !scopes.includes('admin')) {
      throw new FlagError('whose builds? Give --team NAME or --all-teams');
    }
    if (worker && (team !== undefined || isAllTeams || flags.scope.length > 0 || untrusted)) {
      throw new FlagError('--worker goes without --team, --all-teams, --scope and --untrusted');
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
    io.err.line(`kiln: token ${created.id} (${created.name}), good ${until}; it is not shown again:`);
    io.out.line(created.token);
    return EXIT.ok;
  });
}

function readScopes(given: readonly string[]): Scope[] {
  const names = given.flatMap((text) => text.split(','));
  const scopes = names.map((name) => {
    const scope = SCOPES.find((known) => known === name);
    if (!scope) throw new UsageError(`--scope ${name}: expected ${SCOPES.join(', ')}`);
    return scope;
  });
  return scopes.length > 0 ? [...new Set(scopes)] : [...DEFAULT_SCOPES];
}

function readLife(text: string): number | null {
  if (text === 'never') return null;
  const seconds = spanSeconds(text);
  if (seconds !== undefined && seconds > 0) return seconds;
  throw new UsageError(`--expires ${text}: expected a span such as 30d or 12h, or never`);
}
