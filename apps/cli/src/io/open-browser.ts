import { spawn } from 'node:child_process';

type Env = Readonly<Record<string, string | undefined>>;

/** How long to wait for the opener's verdict, ms. Some stay for as long as the browser runs. */
const VERDICT_MS = 2_000;

/**
 * Returns the command that opens a URL in the user's browser; undefined where none can be opened, as on a server. $BROWSER names another one, and
 * turns this off if it is empty.
 */
export function browserCommand(env: Env, platform: NodeJS.Platform): readonly string[] | undefined {
  if (env.BROWSER === '') return undefined;
  const own = env.BROWSER?.split(':')[0];
  if (own) return own.split(' ').filter((word) => word !== '');
  if (platform === 'darwin') return ['open'];
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler'];
  return env.DISPLAY || env.WAYLAND_DISPLAY ? ['xdg-open'] : undefined;
}

/** Opens a URL in the user's browser. Returns whether that worked, as far as it can be seen. */
export async function openBrowser(url: string, env: Env): Promise<boolean> {
  const [command, ...args] = browserCommand(env, process.platform) ?? [];
  if (command === undefined) return false;
  // `%s` stands for the URL, as in xdg-open and others that read $BROWSER.
  const words = args.includes('%s') ? args.map((word) => (word === '%s' ? url : word)) : [...args, url];
  const child = spawn(command, words, { detached: true, stdio: 'ignore', env: { ...process.env, ...env } });
  child.unref();
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), VERDICT_MS);
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
    for (const end of ['error', 'exit']) child.once(end, () => clearTimeout(timer));
  });
}
