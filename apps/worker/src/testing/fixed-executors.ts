import type { Isolation, Trust } from '@kiln/domain';
import type { Executor, ExecutorSource } from '../engine/executor.ts';

/** A source of executors that are always up, each for its own domain. For tests of other things than starting and stopping them. */
export function fixedExecutors(
  executors: readonly [Executor, ...Executor[]],
  isolation: Isolation = 'pool',
): ExecutorSource {
  const byDomain = new Map(executors.map((executor) => [domainOf(executor), executor]));
  const [first] = executors;
  const { trust: _, domain: __, ...info } = first.info;
  const budgets = executors.flatMap(({ info: own }) =>
    own.cacheBudget ? [[own.trust ?? 'trusted', own.cacheBudget.bytes] as const] : [],
  );
  const total = budgets.reduce((sum, [, bytes]) => sum + bytes, 0);
  return {
    info: {
      ...info,
      ...(info.cacheBudget && { cacheBudget: { ...info.cacheBudget, bytes: total } }),
      ...(budgets.length > 0 && { cacheBudgets: Object.fromEntries(budgets) }),
      trust: [...new Set(executors.map((executor): Trust => executor.info.trust ?? 'trusted'))],
      isolation,
      oneDomain: false,
    },
    domain: undefined,
    running: [...byDomain.keys()],
    stored: async () => [...byDomain.keys()],
    open: async (domain) => {
      const executor = byDomain.get(domain);
      if (!executor) throw new Error(`no executor of ${domain}`);
      return executor;
    },
    stop: async () => {},
    discard: async () => {},
    // The host can run nothing only when all of them are away.
    ...(executors.every(({ ping }) => ping) && {
      ping: async () => void (await Promise.any(executors.map((executor) => executor.ping?.()))),
    }),
  };
}

function domainOf({ info }: Executor): string {
  return info.domain ?? info.trust ?? 'trusted';
}
