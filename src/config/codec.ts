/** How packs are compressed, as written in options: `auto`, `off`, `zstd:N`. */
import type { Codec } from './types.js';

export const CODEC_ALLOWED = 'auto, off or zstd:N with N from 1 to 19';

export function parseCodec(text: string): Codec | undefined {
  if (text === 'auto' || text === 'off') return { kind: text };
  const match = /^zstd:(\d{1,2})$/.exec(text);
  const level = match === null ? 0 : Number(match[1]);
  return level >= 1 && level <= 19 ? { kind: 'zstd', level } : undefined;
}

export function formatCodec(codec: Codec): string {
  return codec.kind === 'zstd' ? `zstd:${codec.level}` : codec.kind;
}
