import type { LogClaim, LogStore, LogTail } from '@kiln/state';

/** Follows one live log, as `LogTail` does. */
export type LiveTail = Pick<LogTail, 'next'> & AsyncDisposable;

/** A claim to move one live log, as `LogClaim` holds it. */
type MoveClaim = Pick<LogClaim, 'holder'> & AsyncDisposable;

/** The methods of `LogStore` for reading and moving live logs, with tails and claims of any class, so that tests can hand in their own. */
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
