import { text } from 'node:stream/consumers';
import type { KilnClient } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { EXIT } from '../../../io/exit-codes.ts';
import type { Io } from '../../../io/output.ts';
import { type CallPlan, warningsIn } from '../request/call-flag.ts';
import { verified } from './artifact.ts';

/** Prints what buildx has said of the Dockerfile. Returns the exit code that buildx would have. @throws UsageError if it arrives damaged */
export async function printCall(client: KilnClient, build: BuildView, call: CallPlan, { out }: Io): Promise<number> {
  const { body } = await client.artifact(build.id);
  const printed = await text(verified(body, build.result?.artifact?.digest));
  out.write(printed);
  const isBad = call.method === 'check' && !call.ignoresStatus && warningsIn(printed, call.format) > 0;
  return isBad ? EXIT.buildFailed : EXIT.ok;
}
