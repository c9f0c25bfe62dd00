/** What a tier may be called: a word that can stand in options, environment variables and paths. */

export const TIER_NAME_ALLOWED =
  '1 to 32 letters, digits, - or _, starting with a letter, and none of tier, auto, off, zstd, none';
const RESERVED = new Set(['tier', 'auto', 'off', 'zstd', 'none']);

export function isTierName(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_-]{0,31}$/.test(name) && !RESERVED.has(name.toLowerCase());
}
