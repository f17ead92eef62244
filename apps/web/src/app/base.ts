/** The path below which this page and the API are, with a slash at its end: `/`, or a path of a proxy. */
export const BASE = new URL(document.baseURI).pathname;
