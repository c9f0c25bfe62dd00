/** One placement rule, as the YAML file says it and after validation. */
import type { FileClass } from './file-class.js';

export interface Rule {
  match: { path?: string; class?: FileClass; larger?: number; smaller?: number };
  place: {
    /** Tier for new data and for promotion. */
    tier?: string;
    /** Tier that it goes to when cold. */
    cold?: string;
    /** `never` keeps it plain wherever it is. */
    pack?: 'auto' | 'never';
    promote?: 'open' | 'heat' | 'never';
    /** `first` goes before anything else when space is needed, `last` after. */
    demote?: 'auto' | 'first' | 'last' | 'never';
  };
}
