/** Files webpack emits or extracts; importing them is what puts them into the build. */
declare module '*.css';
declare module '*.html';
