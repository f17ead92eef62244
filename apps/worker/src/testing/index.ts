export { fixedExecutors } from './fixed-executors.ts';
