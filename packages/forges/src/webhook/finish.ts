import { type ForgeEvent, forgeEvent } from '@kiln/contracts';
import type { z } from 'zod';
import { pick } from './payload.ts';

/**
 * Validates an event that was assembled from a payload. The forge's own schema accepts values, such as arbitrary commit ids, that Kiln
 * can't build. @throws BadPayload
 */
export function finish(event: z.input<typeof forgeEvent>): ForgeEvent {
  return pick(forgeEvent, event);
}
