const OLDEST = 22;
/** The exit code of `kiln` for what isn't a build's result. */
const EXIT_CODE = 125;

/** Ends the process if this Node is too old, which would otherwise show as an error somewhere in the program. */
export function requireNode22(): void {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= OLDEST) return;
  process.stderr.write(`kiln: got Node ${node}, expected ${OLDEST} or newer\n`);
  process.exit(EXIT_CODE);
}
