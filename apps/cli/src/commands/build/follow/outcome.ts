import type { BuildView } from '@kiln/contracts';
import { EXIT } from '../../../io/exit-codes.ts';

/** The exit code for a build that has ended, or goes on for others only; `interrupted` says that Ctrl-C asked for it. */
export function outcomeCode(
  { state, failure, releasedAt }: Pick<BuildView, 'state' | 'failure' | 'releasedAt'>,
  interrupted: boolean,
): number {
  if (state === 'succeeded') return EXIT.ok;
  if (interrupted && (state === 'canceled' || releasedAt !== undefined)) return EXIT.interrupted;
  return failure?.code === 'superseded' ? EXIT.superseded : EXIT.buildFailed;
}
