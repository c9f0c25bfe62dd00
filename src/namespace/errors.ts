/** Errors of the namespace: one line and an errno name, in the shape of Node's system errors. */
export function namespaceError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}
