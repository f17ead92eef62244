import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { clientNetwork } from './client-network.ts';

/**
 * Allows at most `max` open connections from one address, and hands each further one to `refuse`. Addresses for which `isExempt` returns
 * true aren't counted: this machine, and proxies, whose clients all share one address.
 */
export function capConnections(
  server: Server,
  {
    max,
    isExempt,
    refuse,
  }: {
    readonly max: number;
    readonly isExempt: (address: string) => boolean;
    readonly refuse: (socket: Socket, network: string) => void;
  },
): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined || isExempt(remoteAddress)) return;
    const network = clientNetwork(remoteAddress);
    const before = open.get(network) ?? 0;
    if (before >= max) {
      refuse(socket, network);
      return;
    }
    open.set(network, before + 1);
    socket.once('close', () => {
      const left = (open.get(network) ?? 1) - 1;
      if (left > 0) open.set(network, left);
      else open.delete(network);
    });
  });
}
