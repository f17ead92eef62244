import { fileURLToPath } from 'node:url';
import MiniCssExtractPlugin from 'mini-css-extract-plugin';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default {
  target: ['web', 'es2022'],
  entry: { main: here('./src/web/main.tsx') },
  output: {
    path: here('./dist/web'),
    filename: 'assets/[name].js',
    clean: true,
  },
  resolve: {
    extensions: ['.tsx', '.ts', '.js'],
    // Sources import each other as ./x.ts; the compiler rewrites that to ./x.js, which is then looked up here.
    extensionAlias: { '.js': ['.ts', '.tsx', '.js'] },
  },
  module: {
    rules: [
      {
        test: /\.tsx?$/,
        loader: 'ts-loader',
        // Types are tsc's job (npm run build:web runs it first); here they are only stripped.
        options: {
          configFile: here('./tsconfig.web.json'),
          transpileOnly: true,
          compilerOptions: { noEmit: false, incremental: false, tsBuildInfoFile: undefined },
        },
      },
      { test: /\.css$/, use: [MiniCssExtractPlugin.loader, 'css-loader'] },
      { test: /\.html$/, type: 'asset/resource', generator: { filename: '[name][ext]' } },
    ],
  },
  plugins: [new MiniCssExtractPlugin({ filename: 'assets/[name].css' })],
  optimization: {
    splitChunks: {
      cacheGroups: { vendor: { test: /[\\/]node_modules[\\/]/, name: 'vendor', chunks: 'all' } },
    },
  },
  devtool: 'source-map',
  performance: { hints: false },
  stats: 'errors-warnings',
  cache: {
    type: 'filesystem',
    cacheDirectory: here('./.cache/webpack'),
    buildDependencies: { config: [fileURLToPath(import.meta.url), here('./tsconfig.web.json')] },
  },
  // A fresh checkout has fresh timestamps; only contents say whether a file changed.
  snapshot: {
    module: { hash: true },
    resolve: { hash: true },
    buildDependencies: { hash: true },
    resolveBuildDependencies: { hash: true },
  },
};
