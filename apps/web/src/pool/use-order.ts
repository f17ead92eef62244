import { hostView } from '@kiln/contracts';
import { useQueryClient } from '@tanstack/react-query';
import { type CallInit, call } from '../api/call.ts';

/** Sends an order for a host; what is shown of hosts is read again. */
export function useOrder(name: string): (order: string, init: CallInit) => Promise<void> {
  const client = useQueryClient();
  return async (order, init) => {
    await call(`v1/hosts/${encodeURIComponent(name)}${order && `/${order}`}`, hostView, init);
    await client.invalidateQueries({ queryKey: ['hosts'] });
  };
}
