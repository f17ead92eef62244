// Node 22 has no AsyncDisposableStack. A chunk of its own, which newer ones don't load.
if (!('AsyncDisposableStack' in globalThis)) await import('disposablestack/auto');
