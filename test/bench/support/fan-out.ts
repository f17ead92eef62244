/**
 * The peer of the log benchmark: the simplest possible server, in its own process. Every 25 ms it sends each client the same chunk of
 * event-stream text, at the rate of the order. It keeps no history, and neither resumes clients nor waits for slow ones.
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
      // `close` would discard what has not been sent yet.
      const flushed = responses.map((response) => new Promise((resolve) => response.once('close', resolve)));
      for (const response of responses) response.end();
      void Promise.all(flushed).then(() => server.close(() => process.disconnect()));
    }, TICK_MS);
  }
});
