// What following a build takes, apart from the others: making all schemas takes several times as long.
export { buildView, logRecord, missingTreeParts, problem, storedTreeParts } from '@kiln/contracts';
