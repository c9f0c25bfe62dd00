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

// As it lies there.
struct StoredParity {
  uint64_t length = 0;  // Of what it covers: an open pack may be longer.
  std::vector<uint8_t> stripes;
};

// EBADMSG where it is damaged, or of another pack; ENOENT where there is none.
Status ReadParity(const std::string& pack_path, const PackIdentity& identity, uint64_t file_length,
                  StoredParity* parity);

// Adds `from` to `into`.
void Xor(uint8_t* into, const uint8_t* from, size_t length);

// Reads a sealed pack and writes its parity. Obeys the background rate. ECANCELED, EBADMSG.
Status MakeParity(const std::string& pack_path, CopyControl& control);

}  // namespace coral
