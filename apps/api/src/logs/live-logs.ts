import type { LogClaim, LogStore, LogTail } from '@kiln/state';

/** Follows one live log, as `LogTail` does. */
export type LiveTail = Pick<LogTail, 'next'> & AsyncDisposable;

/** A claim to move one live log, as `LogClaim` holds it. */
type MoveClaim = Pick<LogClaim, 'holder'> & AsyncDisposable;

/** The live logs. Unlike `LogStore` itself, any tail or claim with the same methods will do. */
export interface LiveLogs
  extends Pick<
    LogStore,
    | 'exists'
    | 'loud'
    | 'markArchived'
    | 'movePiece'
    | 'newestFirst'
    | 'pieceAfter'
    | 'pieces'
    | 'read'
    | 'recount'
    | 'unarchived'
  > {
  claim(...log: Parameters<LogStore['claim']>): Promise<MoveClaim | undefined>;
  openTail(...place: Parameters<LogStore['openTail']>): LiveTail;
}
