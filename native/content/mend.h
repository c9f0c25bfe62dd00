// Writes anew what a medium lost of a pack, from the pack's parity.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "content/pack_format.h"
#include "io/copy_control.h"
#include "io/status.h"

namespace coral {

// A chunk and where its record lies.
struct ChunkRecord {
  uint64_t offset = 0;
  uint32_t stored = 0;
  uint32_t length = 0;
  Hash hash = {};
};

// Looks at records of a pack, and at those before them in their chains, and writes what is damaged
// anew where the parity has it. `good` says of each whether it decodes to its chunk now. What is
// written was checked against the record's checksum. EBADMSG where another pack lies there, or the
// parity is bad; ENOENT where there is none; ECANCELED. Any thread.
Status MendRecords(const std::string& pack_path, const PackIdentity& identity,
                   const std::vector<ChunkRecord>& records, const CopyControl& control,
                   std::vector<uint32_t>* good);

}  // namespace coral
