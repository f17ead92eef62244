/** How often a variant was served within one hour. `hour` is its first instant, ISO 8601. */
export interface UsagePoint {
  readonly hour: string;
  readonly variant: string;
  readonly count: number;
}
