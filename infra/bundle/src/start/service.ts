import './disposable-stacks.ts';
import { cacheCompiledCode } from './cache-compiled-code.ts';

cacheCompiledCode();
// A service logs stacks for as long as it runs. Maps are read when a module is loaded, so this comes first.
process.setSourceMapsEnabled(true);
