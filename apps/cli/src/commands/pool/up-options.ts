import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { hostLabels, hostName } from '@kiln/contracts';
import { ISOLATIONS, type Isolation, TRUSTS, type Trust } from '@kiln/domain';
import { z } from 'zod';
import type { FlagValues } from '../../framework/flags.ts';
import { FlagError } from '../../io/errors.ts';
import { dataDirectory } from '../../server/local-pools.ts';
import { LOG_LEVELS, UP_DEFAULTS, type UP_FLAGS } from './flags.ts';
import { defaultSlots, toHostName } from './host-defaults.ts';

type Env = Readonly<Record<string, string | undefined>>;

const count = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.int().min(min, `at least ${min}`).max(max, `at most ${max}`));

const schema = z.strictObject({
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
  'log-level': z.enum(LOG_LEVELS),
  log: z.string().optional(),
});

export interface UpOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Where workers on other machines find Redis. Absent: they can't join. */
  readonly listenWorkers?: { readonly address: string; readonly port: number };
  readonly driver: 'auto' | 'docker-container' | 'docker';
  /** The only trust class that the host takes. Absent: as the driver allows. */
  readonly trust?: Trust;
  readonly isolation?: Isolation;
  readonly drainTimeoutMs: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** `-` means standard error. */
  readonly logFile: string;
}

/** Reads the flags of `kiln up` and fills in defaults. @throws FlagError */
export function readUpOptions(flags: FlagValues<typeof UP_FLAGS>, env: Env): UpOptions {
  const given = Object.fromEntries(
    Object.entries(flags).filter(([name, value]) => name in schema.shape && value !== undefined),
  );
  const parsed = schema.safeParse({ ...defaults(env), ...given });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0]);
    const expected = issue?.code === 'invalid_value' ? issue.values.join(', ') : issue?.message;
    throw new FlagError(`--${name}: got ${JSON.stringify(given[name])}, expected ${expected}`);
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

function defaults(env: Env) {
  return {
    'data-dir': dataDirectory(env),
    host: UP_DEFAULTS.host,
    port: String(UP_DEFAULTS.port),
    name: toHostName(hostname()),
    slots: String(defaultSlots()),
    label: [],
    driver: env.KILN_DRIVER || 'auto',
    'drain-timeout': String(UP_DEFAULTS.drainSeconds),
    'log-level': UP_DEFAULTS.logLevel,
  };
}

/** Parses `ADDRESS[:PORT]`. An IPv6 address with a port is in brackets. */
function readListener(text: string, ctx: z.RefinementCtx): { address: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+|[^:]*:[^:]*:.*?))(?::(\d+))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  const listener = { address, port: Number(port ?? UP_DEFAULTS.workerPort) };
  if (isIP(address) !== 0 && listener.port >= 1 && listener.port <= 65_535) return listener;
  ctx.addIssue({
    code: 'custom',
    message: 'an IP address of this machine and a port, such as 10.0.0.5:7701 or 0.0.0.0:7701',
    input: text,
  });
  return z.NEVER;
}

function readLabels(texts: readonly string[], ctx: z.RefinementCtx): Record<string, string> {
  const labels = hostLabels.safeParse(Object.fromEntries(texts.map(labelOf)));
  if (labels.success) return labels.data;
  const [issue] = labels.error.issues;
  const reason = issue?.code === 'invalid_key' ? issue.issues[0]?.message : issue?.message;
  ctx.addIssue({ code: 'custom', message: `KEY=VALUE: ${reason}`, input: texts });
  return z.NEVER;
}

function labelOf(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
