import module from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * Makes Node keep the code that it compiles, in the user's own cache directory. Node's default is in the directory for temporary files,
 * where other users of the machine could leave code for this one. Does nothing before Node 22.8, if `NODE_COMPILE_CACHE` names a
 * directory, or if the directory can't be written.
 */
export function cacheCompiledCode(): void {
  const { XDG_CACHE_HOME: given = '', HOME } = process.env;
  const caches = isAbsolute(given) ? given : join(HOME || homedir(), '.cache');
  module.enableCompileCache?.(join(caches, 'kiln', 'node'));
}
