/** File classes, in the order of their numbers on disk. */
export const FILE_CLASSES = [
  'other',
  'model',
  'adapter',
  'vector-index',
  'database',
  'document',
  'cache',
  'config',
] as const;
export type FileClass = (typeof FILE_CLASSES)[number];
