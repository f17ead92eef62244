import { type FieldProblem, FORGES, type ForgeEvent, type ForgeName, fieldProblems, forgeEvent } from '@kiln/contracts';
import { BadPayload, forge, guessForge } from '@kiln/forges';
import { oneOf } from '../../framework/flag-values.ts';
import { UsageError } from '../../io/errors.ts';

export interface EventFlags {
  readonly forge: string | undefined;
  readonly 'event-name': string | undefined;
}

type Read = { readonly events: readonly ForgeEvent[] } | { readonly problems: readonly FieldProblem[] };

/**
 * Reads the events of a saved webhook body, or an event in Kiln's own form. Without flags, forge and event are detected from the body.
 * @throws UsageError
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
  return flag === undefined ? undefined : oneOf('--forge', flag, FORGES);
}

function refuse(): never {
  throw new UsageError(
    `the body does not look like a webhook of a known forge; name it with --forge ${FORGES.join('|')}`,
  );
}
