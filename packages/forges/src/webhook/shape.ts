/** Whether a JSON value is an object with this field of its own. */
export function has(json: unknown, field: string): boolean {
  return typeof json === 'object' && json !== null && Object.hasOwn(json, field);
}
