/**
 * The peer of the log benchmark: the plainest server there is. Forked with the number of clients; each gets the same chunk, as event-stream
 * text, every 25 ms at the rate of the order; it keeps no history, resumes nobody, and waits for nobody.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FanOutOrder {
  readonly clients: number;
  readonly bytes: number;
  readonly bytesPerSecond: number;
}

const TICK_MS = 25;

process.once('message', ({ clients, bytes, bytesPerSecond }: FanOutOrder) => {
  const responses: ServerResponse[] = [];
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', connection: 'close' });
    response.flushHeaders();
    responses.push(response);
    if (responses.length === clients) begin();
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));

  function begin(): void {
    const startedAt = performance.now();
    let sent = 0;
    let seq = 0;
    const timer = setInterval(() => {
      const due = Math.min(bytes, ((performance.now() - startedAt) / 1000) * bytesPerSecond);
      let text = '';
      for (; sent < due; sent += 200)
        text += `id: 1.${++seq}\nevent: output\ndata: {"t":${Date.now()},"data":"${'x'.repeat(130)}"}\n\n`;
      const chunk = Buffer.from(text);
      for (const response of responses) response.write(chunk);
      if (sent < bytes) return;
      clearInterval(timer);
      // `close` would cut off what is still on its way.
      const flushed = responses.map((response) => new Promise((resolve) => response.once('close', resolve)));
      for (const response of responses) response.end();
      void Promise.all(flushed).then(() => server.close(() => process.disconnect()));
    }, TICK_MS);
  }
});
