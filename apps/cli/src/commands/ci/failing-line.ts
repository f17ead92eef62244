/** Finds the line of a Dockerfile at which a build failed, in the excerpt that BuildKit makes: `   3 | >>> RUN exit 1`. Undefined if none is marked. */
export function failingLine(excerpt: string | undefined): number | undefined {
  for (const line of excerpt?.split('\n') ?? []) {
    const [number = '', rest = ''] = line.split('|', 2);
    if (/^ *[0-9]{1,7} *$/.test(number) && rest.trimStart().startsWith('>>>')) return Number(number);
  }
  return undefined;
}
