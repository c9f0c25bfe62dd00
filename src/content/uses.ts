/**
 * What running jobs rely on before the catalogue says so: chunks that were found but not yet counted, and
 * packs with records that the index does not point to yet. Reclaim keeps its hands off both.
 */
export interface Use {
  /** Names of chunks as latin1 strings. */
  readonly names: Set<string>;
  readonly packs: Set<number>;
}

export interface Uses {
  begin(): Use;
  end(use: Use): void;
  hasChunk(name: Buffer): boolean;
  hasPack(packId: number): boolean;
}

export function createUses(): Uses {
  const uses = new Set<Use>();
  const some = (test: (use: Use) => boolean): boolean => {
    for (const use of uses) if (test(use)) return true;
    return false;
  };
  return {
    begin() {
      const use = { names: new Set<string>(), packs: new Set<number>() };
      uses.add(use);
      return use;
    },
    end: (use) => void uses.delete(use),
    hasChunk(name) {
      if (uses.size === 0) return false;
      const key = hashKey(name);
      return some((use) => use.names.has(key));
    },
    hasPack: (packId) => some((use) => use.packs.has(packId)),
  };
}

/** A name, or a hash, as the key of a map. */
export function hashKey(name: Buffer): string {
  return name.toString('latin1');
}
