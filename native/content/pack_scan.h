// Finds out what a pack holds, and mends what a crash left of an open one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "content/pack_format.h"
#include "io/status.h"

namespace coral {

struct PackContents {
  PackIdentity identity;
  bool sealed = false;
  uint64_t valid_length = 0;  // Everything behind it is a torn tail.
  uint64_t file_length = 0;
  std::vector<IndexEntry> entries;  // By offset.
  std::vector<uint32_t> bad;        // Indexes of entries whose stored bytes are damaged, ascending.
};

// By the index where the pack is sealed and its index is good, else by walking the records, which
// checks each. `deep` reads and decodes every record and compares its SHA-256.
//
// The walk goes on behind a damaged record: only what follows the last good record is a torn tail,
// so that one rotten sector does not cost everything that was written after it.
//
// A file whose header never got to the disk (short, or zeros) has valid length 0. Where the header
// is damaged beyond that: EBADMSG. EPROTONOSUPPORT for another format version.
Status ScanPack(const std::string& path, bool deep, PackContents* contents);

// The parity of the pack is removed: mend what it can mend before. Cuts the torn tail off behind
// the last record that ends within `valid_length`, writes index and footer over the good records,
// syncs. EBADMSG, and nothing is changed, where less than that is valid. Leaves a sealed pack with
// a good index as it is. Can be repeated after a crash at any step. `*length` is the final length;
// 0 where not even the header is there.
Status RepairPack(const std::string& path, uint64_t valid_length, uint64_t* length);

}  // namespace coral
