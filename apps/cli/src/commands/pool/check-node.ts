import { UsageError } from '../../io/errors.ts';

/** What undici asks for, by which a pool reaches forges. */
const OLDEST = [22, 19] as const;

/** Checks that this Node can run parts of a pool; the other commands ask for less. @throws UsageError */
export function checkNode(command: string, version: string = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new UsageError(`Node: got ${version}, expected ${OLDEST.join('.')} or newer for ${command}`);
}
