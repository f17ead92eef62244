import type { ForgeEvent, ForgeName } from '@kiln/contracts';

/** An event that builds nothing. `reason` is shown to users. */
export function ignored(forge: ForgeName, reason: string): ForgeEvent {
  return { type: 'ignored', forge, reason };
}

/** The reason to ignore an event by its name, as the forge's header or payload gives it. */
export function unhandled(name: string | undefined, header: string): string {
  return name === undefined ? `the header ${header} is missing` : `Kiln does nothing about ${name} events`;
}
