import { cacheCompiledCode } from './cache-compiled-code.ts';
import { requireNode22 } from './require-node-22.ts';
import './disposable-stacks.ts';

requireNode22();
cacheCompiledCode();
