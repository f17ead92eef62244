/** The flags of `kiln login`. */
export const LOGIN_FLAGS = {
  name: { kind: 'text', value: 'NAME', help: "Name of the context (default: the address's host name)" },
  'token-stdin': { kind: 'bool', help: 'Read a token from standard input' },
  'no-browser': { kind: 'bool', help: "Don't open a browser; show the address of the page" },
} as const;
