/** For `expect.poll` and `vi.waitFor`: long enough for a busy machine, shorter than a test's time limit. */
export const PATIENT = { timeout: 60_000 };
