import { type ForgeEvent, forgeEvent } from '@kiln/contracts';
import type { z } from 'zod';
import { pick } from './payload.ts';

/**
 * Checks an event that was put together from a payload: what the forge's own schema lets through, such as a commit id, may
 * still be nothing that Kiln can build. @throws BadPayload
 */
export function finish(event: z.input<typeof forgeEvent>): ForgeEvent {
  return pick(forgeEvent, event);
}
