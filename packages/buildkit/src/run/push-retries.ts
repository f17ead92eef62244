/** How often failed pushes are repeated. */
export interface PushRetries {
  readonly times: number;
  /** The pause before the first one, ms; each further one is twice as long, up to `LONGEST_PAUSE_MS`. */
  readonly firstPauseMs: number;
}

/** About a minute and a half in all, besides what the pushes themselves take. */
export const PUSH_RETRIES: PushRetries = { times: 6, firstPauseMs: 1_000 };
export const LONGEST_PAUSE_MS = 30_000;
