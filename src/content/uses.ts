/**
 * What running jobs rely on before the catalogue says so: chunks that were found but not yet counted, and
 * packs with records that the index does not point to yet. Reclaim keeps its hands off both.
 */
export interface Use {
  /** Hashes as latin1 strings. */
  readonly hashes: Set<string>;
  readonly packs: Set<number>;
}

export interface Uses {
  begin(): Use;
  end(use: Use): void;
  hasHash(hash: Buffer): boolean;
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
      const use = { hashes: new Set<string>(), packs: new Set<number>() };
      uses.add(use);
      return use;
    },
    end: (use) => void uses.delete(use),
    hasHash(hash) {
      if (uses.size === 0) return false;
      const key = hashKey(hash);
      return some((use) => use.hashes.has(key));
    },
    hasPack: (packId) => some((use) => use.packs.has(packId)),
  };
}

export function hashKey(hash: Buffer): string {
  return hash.toString('latin1');
}
