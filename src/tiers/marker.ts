/**
 * The marker `<tier>/.coral-reef/tier.json`: says which volume and tier a directory is. A directory
 * without it is never written to, because the empty mount point of a disk that is not there looks
 * like an empty tier.
 */
import { readFile } from 'node:fs/promises';
import { errnoName, reasonOf } from '../config/errors.js';

export const TIER_FORMAT = 1;

export interface Marker {
  format: number;
  /** Volume id, 32 hex digits. */
  volume: string;
  tier: number;
  name: string;
}

export function markerOf(volumeId: string, tier: { id: number; name: string }): Marker {
  return { format: TIER_FORMAT, volume: volumeId, tier: tier.id, name: tier.name };
}

/** What was found in place of a marker, or the marker. */
export type MarkerReading =
  | { kind: 'marker'; marker: Marker }
  | { kind: 'absent' }
  | { kind: 'unknown-format'; format: number }
  | { kind: 'unreadable'; reason: string };

export function treePath(directory: string): string {
  return `${directory}/.coral-reef`;
}

export function markerPath(directory: string): string {
  return `${treePath(directory)}/tier.json`;
}

/** Never throws: whatever is there is an answer. */
export async function readMarker(directory: string): Promise<MarkerReading> {
  let text: string;
  try {
    text = await readFile(markerPath(directory), 'utf8');
  } catch (error) {
    const code = errnoName(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent' };
    return { kind: 'unreadable', reason: reasonOf(error) };
  }
  return parseMarker(text);
}

export function parseMarker(text: string): MarkerReading {
  let value: Partial<Marker> | null;
  try {
    value = JSON.parse(text) as Partial<Marker> | null;
  } catch {
    return { kind: 'unreadable', reason: 'it is not valid JSON' };
  }
  if (typeof value?.format !== 'number') return { kind: 'unreadable', reason: 'it has no format' };
  if (value.format !== TIER_FORMAT) return { kind: 'unknown-format', format: value.format };
  const { volume, tier, name } = value;
  if (typeof volume !== 'string' || typeof tier !== 'number' || typeof name !== 'string') {
    return { kind: 'unreadable', reason: 'a field is missing' };
  }
  return { kind: 'marker', marker: { format: TIER_FORMAT, volume, tier, name } };
}

/**
 * Why a directory is not the tier that it should be, in one line, or null where it is.
 * `lost` is true where the right disk is probably just not there.
 */
export function markerProblem(
  reading: MarkerReading,
  expected: { volume: string; tier: number; name: string; path: string },
): { lost: boolean; text: string } | null {
  const where = `tier ${expected.name}: ${expected.path}`;
  const file = markerPath(expected.path);
  switch (reading.kind) {
    case 'absent':
      return {
        lost: true,
        text: `${where} has lost its marker ${file}; is its disk mounted? Nothing is written there until it is`,
      };
    case 'unreadable':
      return {
        lost: true,
        text: `tier ${expected.name}: the marker ${file} can't be read: ${reading.reason}; check the disk`,
      };
    case 'unknown-format':
      return {
        lost: false,
        text: `tier ${expected.name}: ${file} has format ${reading.format}, this version knows ${TIER_FORMAT}; use the version that wrote it`,
      };
    case 'marker':
      return foreignProblem(reading.marker, expected);
  }
}

function foreignProblem(
  marker: Marker,
  expected: { volume: string; tier: number; name: string; path: string },
): { lost: boolean; text: string } | null {
  const where = `tier ${expected.name}: ${expected.path}`;
  const fix = `name the right directory with -o tier.${expected.name}=DIR`;
  if (marker.volume !== expected.volume) {
    return { lost: false, text: `${where} belongs to another volume (${marker.volume}); ${fix}` };
  }
  if (marker.tier !== expected.tier) {
    return { lost: false, text: `${where} is tier ${marker.name} of this volume; ${fix}` };
  }
  return null;
}
