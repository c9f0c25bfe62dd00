/** What the pack benchmark compares, by name. */
import { coralReefMoves, coralReefStore } from './pack-coral-reef.js';
import { borgStore, casyncStore, resticStore } from './pack-peers.js';
import type { Store, StorePlace } from './pack-store.js';

interface SubjectKind {
  open(place: StorePlace): Promise<Store>;
  /** Figures are compared among those that compress, and among those that don't. */
  compresses: boolean;
  ours: boolean;
}

export const SUBJECTS = {
  'coral-reef': ours('auto'),
  'coral-reef zstd:3': ours('zstd:3'),
  'coral-reef off': ours('off'),
  'coral-reef moves': ours('auto', coralReefMoves),
  'borg zstd:3': peer((place) => borgStore(place, 'zstd,3')),
  'borg lz4': peer((place) => borgStore(place, 'lz4')),
  'borg none': peer((place) => borgStore(place, 'none'), false),
  restic: peer((place) => resticStore(place, 'auto')),
  'restic off': peer((place) => resticStore(place, 'off'), false),
  casync: peer(casyncStore),
} satisfies Record<string, SubjectKind>;

export type SubjectName = keyof typeof SUBJECTS;

function ours(compress: string, make = coralReefStore): SubjectKind {
  const open = (place: StorePlace) => make(place, compress);
  return { open, compresses: compress !== 'off', ours: true };
}

function peer(open: SubjectKind['open'], compresses = true): SubjectKind {
  return { open, compresses, ours: false };
}

/** @throws where a name is none of ours */
export function subjectNames(list: string): SubjectName[] {
  return list.split(',').map((name) => {
    if (name in SUBJECTS) return name as SubjectName;
    throw new Error(`--subjects: '${name}' is none of ${Object.keys(SUBJECTS).join(', ')}`);
  });
}

/** Those that a figure of ours is compared with. */
export function peersOf(name: SubjectName): SubjectName[] {
  const { compresses } = SUBJECTS[name];
  const names = Object.keys(SUBJECTS) as SubjectName[];
  return names.filter(
    (other) => !SUBJECTS[other].ours && SUBJECTS[other].compresses === compresses,
  );
}
