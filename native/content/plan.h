// A packed file as something to read from: which record of which pack holds which of its bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "content/chain.h"
#include "content/pack_file.h"
#include "io/data_source.h"
#include "io/status.h"

namespace coral {

// What a row has in place of a pack: a run of zeros, or a chunk whose pack is no more, which reads
// as EIO.
constexpr int32_t kZeroRow = -1;
constexpr int32_t kLostRow = -2;

// One row per chunk in file order, as parallel arrays.
struct PlanDescription {
  uint64_t size = 0;
  std::vector<uint32_t> lengths;
  std::vector<int32_t> packs;  // Indexes pack_paths, or one of the above.
  std::vector<uint64_t> offsets;
  std::vector<uint32_t> stored;  // Record length, header included.
  std::vector<std::string> pack_paths;
  // What the headers of these packs must say: another pack in one's place is damage.
  std::vector<uint64_t> pack_ids;
  std::array<uint8_t, 16> volume_id = {};
};

// Chunks [first, last) that are zeros throughout, or that are to be read together.
struct PlanGroup {
  size_t first = 0;
  size_t last = 0;
  uint64_t offset = 0;  // In the file.
  uint64_t length = 0;
  bool zero = false;
};

// Immutable once open, readable from any thread. Holds its packs open: works on after they are
// unlinked.
class Plan : public DataSource {
 public:
  // Opens every pack. EINVAL where the description contradicts itself or exceeds the limits.
  static Status Open(PlanDescription description, std::shared_ptr<Plan>* plan);

  explicit Plan(PlanDescription description);

  // Wrong data is never returned: EIO, with `damage` filled in where there is something to heal.
  Status Read(uint64_t offset, uint32_t length, ReadResult* out, Damage* damage) override;
  // Only of small files, from packs in the page cache.
  bool ReadAtOnce(uint64_t offset, uint32_t length, ReadResult* out) override;
  uint64_t size() const override { return rows_.size; }

  size_t count() const { return rows_.lengths.size(); }
  uint32_t length(size_t chunk) const { return rows_.lengths[chunk]; }
  // The group that starts with chunk `first`, for going through the whole file in order.
  PlanGroup GroupAt(size_t first) const;
  // Whole chunks. What they depend on may have been decoded for others.
  Status ReadChunks(size_t first, size_t last, ReadResult* out, Damage* damage);
  // The same, after DropPages: everything comes from the medium.
  Status CheckChunks(size_t first, size_t last, ReadResult* out, Damage* damage);
  // Lets the packs' clean pages under this plan go, so that the next read is from the medium. Dirty
  // ones are written first.
  Status DropPages();

 private:
  struct Request;
  struct Run;

  Status ReadFrom(Request& request);
  Status ReadRange(Request& request, size_t first);
  bool ReadCached(Request& request, size_t chunk);
  Status ReadRun(Request& request, const Run& run);
  bool DecodeRecord(Request& request, const Run& run, size_t chunk,
                    const std::shared_ptr<uint8_t>& buffer);
  bool EmitChained(Request& request, const Run& run, size_t chunk, const RecordHeader& header,
                   const uint8_t* bytes);
  static std::shared_ptr<uint8_t> ReadBefore(const Request& request, const PackFile& pack,
                                             uint64_t from, uint64_t to);
  static std::shared_ptr<SharedChain> ChainFor(Request& request, const PackFile& pack,
                                               uint64_t start);
  void EmitZeros(Request& request, size_t chunk);
  void Emit(Request& request, size_t chunk, const uint8_t* data);
  void KeepPart(const Request& request, size_t chunk, const uint8_t* data,
                std::shared_ptr<const uint8_t> decoded);
  Run RunAt(const Request& request, size_t first) const;
  Status Fail(Request& request, size_t chunk, const char* reason) const;
  bool IsPartial(const Request& request, size_t chunk) const;
  static Status FailLost(Request& request);
  bool IsZero(size_t chunk) const { return rows_.packs[chunk] == kZeroRow; }
  bool IsLost(size_t chunk) const { return rows_.packs[chunk] == kLostRow; }
  PackFile& PackOf(size_t chunk) const { return *packs_[static_cast<size_t>(rows_.packs[chunk])]; }

  const PlanDescription rows_;
  std::vector<uint64_t> starts_;  // File offset of each chunk, and the size at the end.
  std::vector<std::shared_ptr<PackFile>> packs_;
  std::vector<uint64_t> seeds_;  // Of each pack, as it has to be.
};

}  // namespace coral
