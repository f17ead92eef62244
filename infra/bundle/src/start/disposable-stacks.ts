// Node 22 has no stacks of disposables. A chunk of its own, which newer ones don't load.
if (!('AsyncDisposableStack' in globalThis)) {
  await import('core-js/actual/disposable-stack');
  await import('core-js/actual/async-disposable-stack');
}
