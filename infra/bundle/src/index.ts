export { APPS, type App, startFile } from './apps.ts';
export { bundleApp } from './bundle-app.ts';
