import type { BuildView } from '@kiln/contracts';
import { EXIT } from '../io/exit-codes.ts';

/** The exit code for a build that has ended; `interrupted` says that Ctrl-C asked for it. */
export function outcomeCode({ state }: Pick<BuildView, 'state'>, interrupted: boolean): number {
  if (state === 'succeeded') return EXIT.ok;
  return state === 'canceled' && interrupted ? EXIT.interrupted : EXIT.buildFailed;
}
