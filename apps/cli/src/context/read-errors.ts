import { UsageError } from '../io/errors.ts';
import { type SystemPath, shownPath } from './system-path.ts';

/** Something in the context changed while it was read or sent. What was found out about it so far is worth nothing. */
export class ContextChanged extends Error {
  override readonly name = 'ContextChanged';
  readonly path: SystemPath;

  constructor(path: SystemPath) {
    super(`${shownPath(path)} changed while it was being read`);
    this.path = path;
  }
}

/** Returns the error for a file or directory of the context that can't be read. */
export function cannotRead(path: SystemPath, error: unknown): UsageError {
  const { code, message } = error as NodeJS.ErrnoException;
  const denied = code === 'EACCES' || code === 'EPERM';
  const why = denied ? "permission denied; if the build doesn't need it, add it to .dockerignore" : message;
  return new UsageError(`can't read ${shownPath(path)}: ${why}`);
}
