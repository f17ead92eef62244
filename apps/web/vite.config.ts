import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** Compresses what the build writes, so that no server has to: each text beside itself, as .br and .gz. */
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        for (const part of Object.values(bundle)) {
          if (!/\.(?:js|css|svg)$/.test(part.fileName)) continue;
          const bytes = Buffer.from(part.type === 'chunk' ? part.code : part.source);
          const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } };
          this.emitFile({ type: 'asset', fileName: `${part.fileName}.br`, source: brotliCompressSync(bytes, quality) });
          this.emitFile({ type: 'asset', fileName: `${part.fileName}.gz`, source: gzipSync(bytes, { level: 9 }) });
        }
      },
    },
  };
}

/** Lists the modules that are in the page: who passes on a library passes on its licence (infra/bundle). */
function listModules(): Plugin {
  return {
    name: 'list-modules',
    apply: 'build',
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
      this.emitFile({ type: 'asset', fileName: '.modules.json', source: JSON.stringify(modules) });
    },
  };
}

export default defineConfig({
  root: import.meta.dirname,
  // Relative, so that the page works below any path of a proxy; `<base>` is set by the server.
  base: './',
  plugins: [react(), precompress(), listModules()],
  build: {
    target: 'es2023',
    modulePreload: { polyfill: false },
    // A file inside a style or script would need `data:` in the policy.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    emptyOutDir: true,
  },
  // For work on the page: `pnpm --filter @kiln/web exec vite`, beside a pool on this machine.
  server: { proxy: { '/v1': 'http://127.0.0.1:7700', '/auth': 'http://127.0.0.1:7700' } },
});
