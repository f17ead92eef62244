/**
 * Watchers of one event stream, in their own process: fork it, send a `WatchOrder`, and receive `'watching'` when all are connected and a
 * `WatchReport` at the end. Most only sum up bytes and a checksum; every 50th reads each record; every 100th is slow on purpose.
 */
import { request } from 'node:http';
import { crc32 } from 'node:zlib';
import { percentile } from './report.ts';

export interface WatchOrder {
  readonly url: string;
  readonly token: string;
  readonly watchers: number;
}

export interface WatchReport {
  readonly bytes: number;
  readonly records: number;
  /** Faults; empty if every watcher received everything once and in order. */
  readonly faults: readonly string[];
  /** Time from a record's timestamp to a watcher that reads it and is not slow, ms. */
  readonly delayMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly slow: number;
}

interface Watcher {
  readonly kind: 'sum' | 'reader' | 'slow';
  bytes: number;
  checksum: number;
  records: number;
}

const delays: number[] = [];
const faults: string[] = [];
const SLOW_PAUSE_MS = 20;

function watch({ url, token }: WatchOrder, kind: Watcher['kind'], onConnected: () => void): Promise<Watcher> {
  const watcher: Watcher = { kind, bytes: 0, checksum: 0, records: 0 };
  return new Promise((resolve, reject) => {
    const call = request(url, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
      agent: false,
    });
    call.once('error', reject);
    call.once('response', (response) => {
      onConnected();
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
      let rest = '';
      response.on('data', (chunk: Buffer) => {
        watcher.bytes += chunk.length;
        watcher.checksum = crc32(chunk, watcher.checksum);
        if (kind === 'reader') rest = read(rest + chunk.toString('latin1'), watcher);
        if (kind === 'slow') {
          response.pause();
          setTimeout(() => response.resume(), SLOW_PAUSE_MS);
        }
      });
      response.once('end', () => resolve(watcher));
      response.once('error', reject);
    });
    call.end();
  });
}

/** Reads the whole events of `text`. Returns the rest. */
function read(text: string, watcher: Watcher): string {
  const now = Date.now();
  let from = 0;
  for (;;) {
    const end = text.indexOf('\n\n', from);
    if (end < 0) return text.slice(from);
    const event = text.slice(from, end);
    from = end + 2;
    const id = /^id: 1\.(\d+)$/m.exec(event)?.[1];
    if (id === undefined) continue;
    watcher.records += 1;
    if (Number(id) !== watcher.records) faults.push(`got record ${id}, expected ${watcher.records}`);
    if (event.includes('event: output')) delays.push(now - Number(/"t":([\d.]+)/.exec(event)?.[1]));
  }
}

function kindOf(index: number): Watcher['kind'] {
  if (index % 50 === 0) return 'reader';
  return index % 100 === 1 ? 'slow' : 'sum';
}

process.once('message', async (order: WatchOrder) => {
  let connected = 0;
  const onConnected = () => {
    connected += 1;
    if (connected === order.watchers) process.send?.('watching');
  };
  const all = await Promise.all(Array.from({ length: order.watchers }, (_, i) => watch(order, kindOf(i), onConnected)));
  const [first] = all;
  for (const { kind, bytes, checksum } of all) {
    if (bytes !== first?.bytes || checksum !== first.checksum)
      faults.push(
        `a ${kind} got ${bytes} bytes or another checksum, expected ${first?.bytes} bytes as the first watcher`,
      );
  }
  const report: WatchReport = {
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    records: first?.records ?? 0,
    faults: faults.slice(0, 10),
    delayMs: { p50: percentile(delays, 50), p99: percentile(delays, 99), max: percentile(delays, 100) },
    slow: all.filter(({ kind }) => kind === 'slow').length,
  };
  process.send?.(report, () => process.disconnect());
});
