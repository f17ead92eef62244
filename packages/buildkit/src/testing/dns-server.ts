import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export interface DnsServer extends AsyncDisposable {
  /** Names that were asked for. */
  readonly asked: ReadonlySet<string>;
}

const TYPE_A = 1;
const HEADER_BYTES = 12;

/** Starts a DNS server (RFC 1035) at port 53 that knows IPv4 addresses of these names, and says of all others that they don't exist. */
export async function startDns(listenAt: string, names: Readonly<Record<string, string>>): Promise<DnsServer> {
  const asked = new Set<string>();
  const socket = createSocket('udp4');
  socket.on('message', (query, { address, port }) => {
    const { name, end } = readName(query);
    asked.add(name);
    const known = names[name];
    const isA = query.readUInt16BE(end) === TYPE_A;
    const answer = known !== undefined && isA ? record(known) : Buffer.alloc(0);
    const head = Buffer.alloc(HEADER_BYTES);
    query.copy(head, 0, 0, 2);
    // A response to a recursive query; 3 is NXDOMAIN.
    head.writeUInt16BE(0x8180 | (known === undefined ? 3 : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answer.length > 0 ? 1 : 0, 6);
    socket.send(Buffer.concat([head, query.subarray(HEADER_BYTES, end + 4), answer]), port, address);
  });
  socket.bind(53, listenAt);
  await once(socket, 'listening');
  return {
    asked,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

/** Reads the question's name; `end` is where its type begins. */
function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length).toLowerCase());
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

/** An address for the question's name, valid for a second. */
function record(address: string): Buffer {
  return Buffer.from([0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)]);
}
