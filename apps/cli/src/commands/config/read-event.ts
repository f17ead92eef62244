import { type FieldProblem, FORGES, type ForgeEvent, type ForgeName, fieldProblems, forgeEvent } from '@kiln/contracts';
import { BadPayload, forge, guessForge } from '@kiln/forges';
import { UsageError } from '../../io/errors.ts';

export interface EventFlags {
  readonly forge: string | undefined;
  readonly 'event-name': string | undefined;
}

type Read = { readonly events: readonly ForgeEvent[] } | { readonly problems: readonly FieldProblem[] };

/**
 * The events of a saved webhook body, or of Kiln's own form of them. Which forge it is from, and which event, is seen from the payload
 * where it isn't said. Throws `UsageError`.
 */
export function readEvents(json: unknown, flags: EventFlags): Read {
  if (flags.forge === undefined && isOwnForm(json)) {
    const parsed = forgeEvent.safeParse(json);
    return parsed.success ? { events: [parsed.data] } : { problems: fieldProblems(parsed.error, json) };
  }
  const from = forge(forgeName(flags.forge) ?? guessForge(json) ?? refuse());
  try {
    return { events: from.events(from.headersFor(json, flags['event-name']), json) };
  } catch (error) {
    if (error instanceof BadPayload) return { problems: error.errors };
    throw error;
  }
}

function isOwnForm(json: unknown): boolean {
  return typeof json === 'object' && json !== null && Object.hasOwn(json, 'type') && Object.hasOwn(json, 'forge');
}

function forgeName(flag: string | undefined): ForgeName | undefined {
  if (flag === undefined) return undefined;
  const found = FORGES.find((known) => known === flag);
  if (!found) throw new UsageError(`--forge ${flag}: expected ${FORGES.join(', ')}`);
  return found;
}

function refuse(): never {
  throw new UsageError(`this looks like no forge's webhook: say whose it is with --forge ${FORGES.join('|')}`);
}
