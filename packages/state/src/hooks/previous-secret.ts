/** A secret that was replaced, and stays valid for a while beside the new one. */
export interface PreviousSecret {
  readonly secret: string;
  /** Ms since the epoch. */
  readonly expiresAt: number;
}
