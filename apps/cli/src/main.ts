#!/usr/bin/env node
import { reportError, runCli } from './cli.ts';
import { Channel, type Io } from './io/output.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const io: Io = {
  out: new Channel(process.stdout, process.env),
  err: new Channel(process.stderr, process.env),
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  now: Date.now,
  onInterrupt: (listener) => {
    for (const signal of SIGNALS) process.on(signal, listener);
    return () => {
      for (const signal of SIGNALS) process.off(signal, listener);
    };
  },
  exitNow: (code) => process.exit(code),
};

// EPIPE, as in `kiln logs … | head`, means that the reader has seen enough. That isn't an error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

// An error outside of what the command awaits, for which Node would print a stack. `kiln up` and `kiln worker` have logged it then.
process.once('uncaughtException', async (error) => process.exit(await reportError(error, io)));

process.exitCode = await runCli(process.argv.slice(2), io);
