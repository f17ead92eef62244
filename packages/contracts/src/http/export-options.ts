// Without zod, which would take longer to load than the command takes to send a build.

/** The options of BuildKit's exporters that change the result. Those that concern a host's image store or its connections are the operator's. */
export const EXPORT_OPTIONS = [
  ...(['compression', 'compression-level', 'force-compression', 'oci-mediatypes', 'oci-artifact'] as const),
  ...(['rewrite-timestamp', 'platform-split', 'name-canonical', 'push-by-digest', 'prefer-nondist-layers'] as const),
] as const;

/** `annotation.KEY`, `annotation-index.KEY`, `annotation-manifest[linux/amd64].KEY`. */
const ANNOTATION_OPTION =
  /^annotation(?:-(?:manifest|index|manifest-descriptor|index-descriptor))?(?:\[[A-Za-z0-9_/-]+\])?\.[^=\s]+$/;

/** Whether an output can have the option. */
export function isExportOption(key: string): boolean {
  return EXPORT_OPTIONS.some((known) => known === key) || ANNOTATION_OPTION.test(key);
}
