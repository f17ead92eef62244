/** `npm run --silent policy`: Kiln's placement behind the line protocol that docs/develop/placement.md describes. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { KilnPolicy } from './protocol/bridge.ts';
import { ProtocolError, readLine } from './protocol/read-line.ts';

const policy = new KilnPolicy();
let number = 0;

try {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() === '') continue;
    const message = readLine(line);
    if (message.type === 'end') break;
    if (message.type !== 'decide') policy.handle(message);
    else if (!process.stdout.write(`${JSON.stringify(policy.decide(message.t))}\n`))
      await once(process.stdout, 'drain');
  }
} catch (error) {
  if (!(error instanceof ProtocolError)) throw error;
  process.stderr.write(`policy: line ${number}: ${error.message}\n`);
  process.exitCode = 2;
}
process.stdin.destroy();
