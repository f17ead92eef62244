import { BUILD_STATES } from '@kiln/domain';
import { z } from 'zod';

/** A build has changed. Contains only what a listener needs to decide whether to read the record. */
export const buildChanged = z.strictObject({
  type: z.literal('build'),
  id: z.string(),
  state: z.enum(BUILD_STATES),
  revision: z.coerce.number().int(),
  attempt: z.coerce.number().int(),
  host: z.string(),
});

/** A host has joined, changed or left. */
export const hostChanged = z.strictObject({ type: z.literal('host'), host: z.string() });

/** A host's caches have changed: its inventory, and possibly the usage of repos. */
export const cachesChanged = z.strictObject({ type: z.literal('caches'), host: z.string() });

/** A token was revoked, or a session has ended. Everything that its principal still follows ends, too. */
export const credentialEnded = z.strictObject({ type: z.literal('credential'), id: z.string() });

/** The limits of a team (`team:<name>`) or token (`token:<id>`) have changed. */
export const limitsChanged = z.strictObject({ type: z.literal('limits'), subject: z.string() });

/** The processing of a forge's webhook has ended. */
export const deliverySettled = z.strictObject({ type: z.literal('delivery'), id: z.string() });

/** A task of a host has been created, has started or ended. */
export const taskChanged = z.strictObject({ type: z.literal('task'), id: z.string(), host: z.string() });

/** An event of the pool's event stream. Numbers arrive as text, as Redis stores them. */
export const poolEvent = z.discriminatedUnion('type', [
  buildChanged,
  hostChanged,
  cachesChanged,
  credentialEnded,
  limitsChanged,
  deliverySettled,
  taskChanged,
]);
export type PoolEvent = z.output<typeof poolEvent>;
export type BuildChanged = z.output<typeof buildChanged>;
