// Parity of a pack: what one place of the medium loses of it can be computed from the rest.
//
// The pack is cut into blocks, and block i belongs to stripe i modulo the number of stripes. The
// parity of a stripe is the exclusive or of its blocks, so that one lost block of each stripe comes
// back: a lost place may be as long as there are stripes. It lies beside the pack, and a pack
// without it, or with a bad one, is as good as it is. src/content/README.md has the file byte by
// byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "content/pack_format.h"
#include "io/copy_control.h"
#include "io/status.h"

namespace coral {

inline constexpr uint64_t kParityBlock = 4096;
inline constexpr uint64_t kMostStripes = 128;

// Gathers the parity of a pack while it is written.
class Parity {
 public:
  Parity() : stripes_(kMostStripes * kParityBlock) {}

  // Bytes of the pack that were not added before; 0 counts as nothing.
  void Add(uint64_t offset, const void* data, size_t length);
  // Writes it beside the pack, durably, in place of an older one. `length`: so far it was added.
  Status Write(const std::string& pack_path, const PackIdentity& identity, uint64_t length) const;

 private:
  std::vector<uint8_t> stripes_;
};

// Where the parity of a pack lies.
std::string ParityPath(const std::string& pack_path);

// Reads a sealed pack and writes its parity. Obeys the background rate. ECANCELED, EBADMSG.
Status MakeParity(const std::string& pack_path, CopyControl& control);

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
