/**
 * The CPU time in ms that an action takes of this process: what other programs of the machine do doesn't count, so that a
 * test can hold a hostile input's cost below a limit which only growth that isn't linear exceeds.
 */
export async function cpuMs(action: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await action();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
