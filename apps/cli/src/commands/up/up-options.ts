import { isIP } from 'node:net';
import { cpus, homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { hostLabels, hostName } from '@kiln/contracts';
import { ISOLATIONS, type Isolation, TRUSTS, type Trust, trim, trimEnd } from '@kiln/domain';
import { z } from 'zod';

/** A flag of `kiln up` that doesn't hold what it should. */
export class InvalidFlag extends Error {
  readonly code = 'invalid_flag';
}

export const UP_HELP = `Usage: kiln up [OPTIONS]

Runs a whole pool on this machine: API, scheduler, one worker, and a Redis of its own.
Ctrl-C drains (finishes what runs) and stops; a second Ctrl-C stops at once.

Options:
      --data-dir DIR        Where everything is kept (default: $KILN_DATA_DIR, or ~/.local/share/kiln)
      --host ADDRESS        Address to listen on (default 127.0.0.1)
      --port PORT           Port to listen on; 0 takes any free one (default 7700)
      --name NAME           Name of this host in the pool (default: the machine's)
      --slots N             Builds at a time (default: half the cores, at least 1)
      --label KEY=VALUE     Label of this host, for which builds can ask; may be repeated
      --listen-workers ADDRESS[:PORT]
                            Let workers of other machines join: Redis listens there too, with a password
                            (port 7701; 0.0.0.0 is every address); give --host too, so that they reach the API
      --driver DRIVER       auto, docker-container or docker (default $KILN_DRIVER, or auto)
      --trust CLASS         Take trusted or untrusted builds only (default $KILN_TRUST, or both with docker-container,
                            trusted with docker)
      --isolation WHO       Who shares caches: the builds of a team, of a repo, or of the whole pool (default
                            $KILN_ISOLATION, or team)
      --drain-timeout SECS  How long Ctrl-C lets running builds go on (default 300)
      --log-level LEVEL     trace, debug, info, warn, error or silent (default info)
      --log FILE            Where Kiln's own log goes, - for standard error (default DIR/kiln.log)
  -h, --help                Show this

Environment: KILN_TOOL_IMAGE, KILN_BUILDKIT_IMAGE, KILN_DOCKER_SOCKET, KILN_CACHE_BUDGET_BYTES, KILN_DOCKER_CONFIG,
KILN_TRUST, KILN_ISOLATION, KILN_FRONTENDS, KILN_BUILDER_IDLE_MS,
KILN_UNTRUSTED_CACHE_BUDGET_BYTES, KILN_UNTRUSTED_DOCKER_CONFIG, KILN_BUILD_EGRESS,
KILN_OIDC_FILE, KILN_PUBLIC_URL, KILN_SESSION_HOURS, KILN_TRUST_PROXY, KILN_AUDIT_RETENTION_DAYS, KILN_LIMITS_FILE,
KILN_ALLOWED_HOSTS, KILN_MAX_CONNECTIONS`;

const count = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.int().min(min, `at least ${min}`).max(max, `at most ${max}`));

const flags = z.strictObject({
  'data-dir': z.string().min(1),
  host: z.string().min(1),
  port: count(0, 65_535),
  name: hostName,
  slots: count(1, 1024),
  label: z.array(z.string()).transform(readLabels),
  'listen-workers': z.string().transform(readListener).optional(),
  driver: z.enum(['auto', 'docker-container', 'docker']),
  trust: z.enum(TRUSTS).optional(),
  isolation: z.enum(ISOLATIONS).optional(),
  'drain-timeout': count(0, 86_400),
  'log-level': z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']),
  log: z.string().optional(),
});

export interface UpOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Where workers of other machines find Redis; absent: they can't join. */
  readonly listenWorkers?: { readonly address: string; readonly port: number };
  readonly driver: 'auto' | 'docker-container' | 'docker';
  /** The only class of builds that it takes. */
  readonly trust?: Trust;
  readonly isolation?: Isolation;
  readonly drainTimeoutMs: number;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** `-` is standard error. */
  readonly logFile: string;
}

/** Parses the flags of `kiln up`; `help` where they ask for it. @throws InvalidFlag */
export function parseUpOptions(argv: readonly string[], env: NodeJS.ProcessEnv): UpOptions | 'help' {
  const values = parse(argv);
  if (values.help) return 'help';
  const { help: _, ...given } = values;
  const parsed = flags.safeParse({ ...defaults(env), ...given });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0]);
    const got = JSON.stringify(given[name as keyof typeof given]);
    const expected = issue?.code === 'invalid_value' ? issue.values.join(', ') : issue?.message;
    throw new InvalidFlag(`--${name}: got ${got}, expected ${expected}`);
  }
  const { data } = parsed;
  const dataDir = resolve(data['data-dir']);
  return {
    dataDir,
    host: data.host,
    port: data.port,
    name: data.name,
    slots: data.slots,
    labels: data.label,
    ...(data['listen-workers'] && { listenWorkers: data['listen-workers'] }),
    driver: data.driver,
    ...(data.trust && { trust: data.trust }),
    ...(data.isolation && { isolation: data.isolation }),
    drainTimeoutMs: data['drain-timeout'] * 1000,
    logLevel: data['log-level'],
    logFile: data.log ?? join(dataDir, 'kiln.log'),
  };
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: {
        'data-dir': text,
        host: text,
        port: text,
        name: text,
        slots: text,
        label: { type: 'string', multiple: true },
        'listen-workers': text,
        driver: text,
        trust: text,
        isolation: text,
        'drain-timeout': text,
        'log-level': text,
        log: text,
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new InvalidFlag(error instanceof Error ? error.message : String(error));
  }
}

function defaults(env: NodeJS.ProcessEnv) {
  const data = env.KILN_DATA_DIR || join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'kiln');
  return {
    'data-dir': data,
    host: '127.0.0.1',
    port: '7700',
    name: toHostName(hostname()),
    slots: String(defaultSlots()),
    label: [] as string[],
    driver: env.KILN_DRIVER || 'auto',
    'drain-timeout': '300',
    'log-level': 'info',
  };
}

const DEFAULT_WORKER_PORT = 7701;

/** `ADDRESS[:PORT]`; an IPv6 address with a port in brackets. */
function readListener(text: string, ctx: z.RefinementCtx): { address: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+|[^:]*:[^:]*:.*?))(?::(\d+))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  const listener = { address, port: Number(port ?? DEFAULT_WORKER_PORT) };
  if (isIP(address) !== 0 && listener.port >= 1 && listener.port <= 65_535) return listener;
  ctx.addIssue({
    code: 'custom',
    message: 'an IP address of this machine and a port, such as 10.0.0.5:7701 or 0.0.0.0:7701',
    input: text,
  });
  return z.NEVER;
}

function readLabels(flags: readonly string[], ctx: z.RefinementCtx): Record<string, string> {
  const labels = hostLabels.safeParse(Object.fromEntries(flags.map(labelOf)));
  if (labels.success) return labels.data;
  const [issue] = labels.error.issues;
  const reason = issue?.code === 'invalid_key' ? issue.issues[0]?.message : issue?.message;
  ctx.addIssue({ code: 'custom', message: `KEY=VALUE: ${reason}`, input: flags });
  return z.NEVER;
}

function labelOf(flag: string): [string, string] {
  const at = flag.indexOf('=');
  return at < 0 ? [flag, ''] : [flag.slice(0, at), flag.slice(at + 1)];
}

/** Half the cores: a build seldom keeps to one. */
export function defaultSlots(): number {
  return Math.max(1, Math.floor(cpus().length / 2));
}

/** The machine's name with what a host's name may not hold replaced. */
export function toHostName(name: string): string {
  const plain = trim(name.toLowerCase().replace(/[^a-z0-9-]+/g, '-'), '-');
  return trimEnd(plain.slice(0, 63), '-') || 'host';
}
