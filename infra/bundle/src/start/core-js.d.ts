declare module 'core-js/actual/async-disposable-stack';
declare module 'core-js/actual/disposable-stack';
