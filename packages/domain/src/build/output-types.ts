/** What a build does with its result: one thing, or `several` at once. */
export interface AnyOutput {
  readonly type: 'none' | OutputType | 'several';
  /** Of type `several`. */
  readonly outputs?: readonly { readonly type: OutputType }[];
}

export type OutputType = 'artifact' | 'push' | 'load';

/** Returns the type of each output of a build. */
export function outputTypes({ type, outputs = [] }: AnyOutput): readonly OutputType[] {
  if (type === 'none') return [];
  return type === 'several' ? outputs.map((one) => one.type) : [type];
}

/** Whether a build pushes its image. */
export function isPushed(output: AnyOutput): boolean {
  return outputTypes(output).includes('push');
}
