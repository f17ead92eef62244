import type { HostChange } from '@kiln/contracts';

/** The change that makes a host's labels those of a text, one a line as `name` or `name=value`. Null removes a label. */
export function labelChange(labels: Readonly<Record<string, string>>, text: string): NonNullable<HostChange['labels']> {
  const wanted = new Map<string, string>();
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '') continue;
    const [name = '', ...value] = line.split('=');
    wanted.set(name.trim(), value.join('=').trim());
  }
  const gone = Object.keys(labels).filter((name) => !wanted.has(name));
  const set = [...wanted].filter(([name, value]) => labels[name] !== value);
  return Object.fromEntries<string | null>([...gone.map((name) => [name, null] as const), ...set]);
}
