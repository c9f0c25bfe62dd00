/** The texts of `-o`: lists of words, separated by commas. */

/** Cuts at commas that no backslash escapes and that are not inside a quoted SELinux label. */
export function splitOptions(text: string): string[] {
  const words = text.match(/(?:(?<=context=)"[^"]*"|\\.|[^,\\]|\\$)+/gs) ?? [];
  return words.map((word) => word.replace(/\\([,\\])/g, '$1')).filter((word) => word !== '');
}

/** The reverse of `splitOptions`. */
export function joinOptions(words: readonly string[]): string {
  return words.map((word) => word.replace(/[,\\]/g, '\\$&')).join(',');
}
