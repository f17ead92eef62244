import { type BuildSpec, outputsOf, type SingleOutput } from '@kiln/contracts';

type Outputs = Pick<BuildSpec, 'output' | 'tags'>;

/** Returns the flags for a build's outputs. @param files absolute paths of the artifacts' files; empty: the only one goes to standard output */
export function outputFlags({ output }: Outputs, files: readonly string[]): string[] {
  // `cacheonly` keeps the engine from storing an untagged image.
  if (output.type === 'none') return ['--output=type=cacheonly'];
  const rest = [...files];
  return outputsOf(output).map((one) => outputFlag(one, () => rest.shift() ?? '-'));
}

/** Returns the flags for a build's names, which would replace those of the outputs. */
export function tagFlags({ output, tags }: Outputs): string[] {
  return outputsOf(output).some(hasNames) ? [] : tags.map((tag) => `--tag=${tag}`);
}

function hasNames(output: SingleOutput): boolean {
  return output.type !== 'load' && output.names !== undefined;
}

function outputFlag(output: SingleOutput, nextFile: () => string): string {
  if (output.type === 'load') return '--load';
  const { names, options = {} } = output;
  const named = names?.length ? { name: names.join(',') } : {};
  if (output.type === 'push') {
    if (!names && Object.keys(options).length === 0) return '--push';
    return `--output=${csv({ type: 'image', push: 'true', ...named, ...options })}`;
  }
  return `--output=${csv({ type: output.format ?? 'tar', dest: nextFile(), ...named, ...options })}`;
}

/** Writes a CSV record of `key=value` fields. */
function csv(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${value}`)
    .map((field) => (/[",]/.test(field) || field.startsWith(' ') ? `"${field.replaceAll('"', '""')}"` : field))
    .join(',');
}
