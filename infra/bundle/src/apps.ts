/** Programs that can be bundled, by the name of their folder in `apps`. */
export const APPS = ['api', 'cli', 'scheduler', 'worker'] as const;

export type App = (typeof APPS)[number];

/** The file of a bundle that starts the program, below the bundle's directory. */
export function startFile(app: App): string {
  return `js/${app === 'cli' ? 'kiln' : app}.js`;
}
