import { BUILD_STATES } from '@kiln/domain';
import { z } from 'zod';

/** A build changed. Carries only what a listener needs to decide whether to read the record. */
export const buildChanged = z.strictObject({
  type: z.literal('build'),
  id: z.string(),
  state: z.enum(BUILD_STATES),
  revision: z.coerce.number().int(),
  attempt: z.coerce.number().int(),
  host: z.string(),
});

/** A host joined, changed or left. */
export const hostChanged = z.strictObject({ type: z.literal('host'), host: z.string() });

/** A host's caches have changed: its inventory, or with it what is known of what repos use. */
export const cachesChanged = z.strictObject({ type: z.literal('caches'), host: z.string() });

/** A token was revoked, or a session has ended: whatever its principal still follows ends, too. */
export const credentialEnded = z.strictObject({ type: z.literal('credential'), id: z.string() });

/** Limits of a team or token were set: `team:<name>` or `token:<id>`. */
export const limitsChanged = z.strictObject({ type: z.literal('limits'), subject: z.string() });

/** What a forge's webhook came to is known. */
export const deliverySettled = z.strictObject({ type: z.literal('delivery'), id: z.string() });

/** What goes through the pool's event stream. Numbers arrive as Redis writes them, as text. */
export const poolEvent = z.discriminatedUnion('type', [
  buildChanged,
  hostChanged,
  cachesChanged,
  credentialEnded,
  limitsChanged,
  deliverySettled,
]);
export type PoolEvent = z.output<typeof poolEvent>;
export type BuildChanged = z.output<typeof buildChanged>;
