/** The page's style. Its hash is in the page's Content-Security-Policy. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --back: #fdfcfa; --side: #f4f1ec; --ink: #23201c; --soft: #6b645b; --line: #e2dcd3; --code: #f1ede6; --link: #a8431b;
  --get: #2c6e49; --post: #a8431b; --put: #6b4f9c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #1b1917; --side: #23201d; --ink: #ece6dd; --soft: #a59c90; --line: #3a352f; --code: #2a2622; --link: #f0915f;
    --get: #7cc49a; --post: #f0915f; --put: #b79ce6;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1.5rem; }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
code, pre { font: 0.875em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { background: var(--code); border-radius: 4px; padding: 0.1em 0.35em; overflow-wrap: anywhere; }
pre { background: var(--code); border-radius: 8px; padding: 0.9rem 1.1rem; overflow-x: auto; }
nav { position: fixed; inset: 0 auto 0 0; width: 17.5rem; overflow-y: auto; background: var(--side); border-right: 1px solid var(--line); padding: 1.5rem 1.25rem 3rem; }
nav .brand { margin: 0 0 1rem; font-size: 1.35rem; font-weight: 700; }
nav small { color: var(--soft); font-size: 0.8rem; font-weight: 400; }
nav h2 { margin: 1.4rem 0 0.35rem; color: var(--soft); font-size: 0.75rem; font-weight: 600; letter-spacing: 0.07em; text-transform: uppercase; }
nav ul { margin: 0; padding: 0; list-style: none; }
nav a { display: block; padding: 0.15rem 0; color: var(--ink); font-size: 0.875rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
nav .method { display: inline-block; width: 2.7rem; font-size: 0.68rem; }
main { margin-left: 17.5rem; max-width: 62rem; padding: 2.5rem 3rem 6rem; }
h1 { margin: 0 0 0.5rem; font-size: 2rem; }
section > h2 { margin: 3.5rem 0 0; padding-bottom: 0.4rem; border-bottom: 2px solid var(--line); font-size: 1.35rem; }
article { padding: 1.8rem 0 1rem; border-bottom: 1px solid var(--line); }
h3 { margin: 0; font-size: 1.1rem; }
h3 code { background: none; padding: 0; font-size: 1rem; }
h4 { margin: 1.3rem 0 0.4rem; color: var(--soft); font-size: 0.8rem; letter-spacing: 0.05em; text-transform: uppercase; }
.summary { margin: 0.35rem 0 0.6rem; font-size: 1.05rem; font-weight: 600; }
em { color: var(--soft); font-size: 0.78rem; font-style: normal; font-weight: 400; }
.method { font-size: 0.8rem; letter-spacing: 0.03em; }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
td { padding: 0.45rem 0.9rem 0.45rem 0; border-top: 1px solid var(--line); vertical-align: top; }
tr:first-child td { border-top: 0; }
td:nth-child(1) { width: 30%; } td:nth-child(2) { width: 27%; color: var(--soft); }
.bound { color: var(--soft); } .bound + .bound::before { content: "· "; }
.or { margin: 0.6rem 0; color: var(--soft); }
dl { display: grid; grid-template-columns: 3.2rem 1fr; gap: 0.45rem 0.6rem; margin: 0; font-size: 0.92rem; }
dt { font-weight: 700; } dt.good { color: var(--get); } dt.bad { color: var(--soft); }
dd { margin: 0; }
.content { margin-top: 0.2rem; color: var(--soft); font-size: 0.875rem; }
.content table { color: var(--ink); }
@media (max-width: 60rem) {
  nav { position: static; width: auto; max-height: 40vh; border-right: 0; border-bottom: 1px solid var(--line); }
  main { margin: 0; padding: 1.5rem; }
  td { display: block; width: auto !important; padding: 0.1rem 0; border: 0; }
  tr { display: block; padding: 0.5rem 0; border-top: 1px solid var(--line); }
}
`;
