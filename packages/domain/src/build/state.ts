/** The states of a build. The last three are terminal: a build never leaves them. */
export const BUILD_STATES = ['queued', 'assigned', 'running', 'succeeded', 'failed', 'canceled'] as const;
export type BuildState = (typeof BUILD_STATES)[number];

export const TERMINAL_STATES = ['succeeded', 'failed', 'canceled'] as const;
export type TerminalState = (typeof TERMINAL_STATES)[number];

export function isTerminal(state: BuildState): state is TerminalState {
  return (TERMINAL_STATES as readonly BuildState[]).includes(state);
}
