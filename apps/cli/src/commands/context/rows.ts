import type { Io } from '../../io/output.ts';
import { type Context, type Contexts, LOCAL_CONTEXT, readContexts } from '../../server/contexts.ts';
import { localPools } from '../../server/local-pools.ts';

/** A context as it is listed, without its token. Times in ms since the epoch. */
export interface ContextRow {
  readonly name: string;
  readonly url: string;
  readonly inUse: boolean;
  readonly login: 'none' | 'stored' | 'expired';
  readonly expiresAt?: string;
}

/** Returns the contexts by name, after the pool of `kiln up`, if it has one. */
export async function contextRows({ env, now }: Pick<Io, 'env' | 'now'>): Promise<ContextRow[]> {
  const stored = await readContexts(env);
  const [local] = await localPools(env).catch(() => []);
  const current = currentName(stored, env);
  const rows = Object.entries(stored.contexts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, context]) => rowOf(name, context, { inUse: name === current, nowMs: now() }));
  if (!local) return rows;
  const login = local.token === undefined ? 'none' : 'stored';
  return [{ name: LOCAL_CONTEXT, url: local.url, inUse: current === LOCAL_CONTEXT, login }, ...rows];
}

/** The name of the context that a command without flags uses. */
export function currentName({ current }: Contexts, env: Io['env']): string {
  return env.KILN_CONTEXT || (env.KILN_DATA_DIR ? LOCAL_CONTEXT : (current ?? LOCAL_CONTEXT));
}

function rowOf(
  name: string,
  { url, token, expiresAt }: Context,
  { inUse, nowMs }: { readonly inUse: boolean; readonly nowMs: number },
): ContextRow {
  const isExpired = expiresAt !== undefined && expiresAt <= nowMs;
  return {
    ...{ name, url, inUse, login: token === undefined ? 'none' : isExpired ? 'expired' : 'stored' },
    ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt).toISOString() }),
  };
}

/** Describes the login of a context: `yes, for 3h`, `expired`, `no`. */
export function loginText({ login, expiresAt }: ContextRow): string {
  if (login === 'none') return 'no';
  if (login === 'expired') return 'expired';
  return expiresAt === undefined ? 'yes' : `until ${expiresAt.slice(0, 16).replace('T', ' ')}Z`;
}

/** Says which variable of the environment hides the context in use, if one does. */
export function hiddenBy({ env, err }: Pick<Io, 'env' | 'err'>): void {
  if (env.KILN_URL) err.line(`kiln: KILN_URL is set, so commands use ${env.KILN_URL} instead of a context`);
}
