import './disposable-stacks.ts';
import { cacheCompiledCode } from './cache-compiled-code.ts';

cacheCompiledCode();
