/** Text for a terminal: the name of a file must not be able to take it over, or to look like a line of ours. */

/** One line, each control character (C0, DEL, C1) as `?`. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
}
