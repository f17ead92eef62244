import type { BuildView } from '@kiln/contracts';
import { EXIT } from '../../../io/exit-codes.ts';

/** Returns the exit code for a build that has ended or continues only for other builds. `interrupted`: Ctrl-C requested the cancel. */
export function outcomeCode(
  { state, failure, releasedAt }: Pick<BuildView, 'state' | 'failure' | 'releasedAt'>,
  interrupted: boolean,
): number {
  if (state === 'succeeded') return EXIT.ok;
  if (interrupted && (state === 'canceled' || releasedAt !== undefined)) return EXIT.interrupted;
  return failure?.code === 'superseded' ? EXIT.superseded : EXIT.buildFailed;
}
