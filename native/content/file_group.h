// Small files that are read at once, to be cut and hashed as one batch or written elsewhere
// (file_copies.h): one step for many files, where a step for each would cost more than the work in
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "content/chunk_reader.h"
#include "content/plan.h"

namespace coral {

class FileGroup {
 public:
  // As JavaScript knows numbers.
  struct Identity {
    double device;
    double inode;
  };
  struct File {
    std::string path;
    uint32_t length;                   // A file of another length is refused (EIO).
    std::optional<Identity> identity;  // Where others may put another file at the path: ESTALE.
    int error = 0;                     // Why it can't be had.
    FileDigest::Value digest{};
    size_t start = 0;  // In the bytes of the group.
  };
  // How to cut one of the files.
  struct Cutting {
    size_t file;
    ChunkLimits limits;
    std::vector<uint64_t> cuts;  // Offsets in the file, ascending, at which a chunk ends.
  };
  struct Result {
    std::shared_ptr<const ChunkBatch> batch;
    std::vector<uint32_t> counts;  // Chunks of each file.
    FileDigest::Value digest{};    // Of the files, one behind the other.
  };

  // At most kMaxBytes in all.
  static constexpr uint64_t kMaxBytes = 64 << 20;
  explicit FileGroup(std::vector<File> files);

  // On a thread that may wait for the background rate. ECANCELED; what befalls one file is its
  // `error`.
  Status Read(const CopyControl& control);
  // The same from packs: the plan has the files one behind the other. `from_medium`: nothing may
  // come from memory. EIO where any chunk is damaged.
  Status ReadPlan(Plan& plan, bool from_medium, CopyControl& control);
  // After Read: files without an error, each at most once.
  Result Cut(const std::vector<Cutting>& files) const;

  const std::vector<File>& files() const { return files_; }
  const uint8_t* bytes(const File& file) const { return bytes_.get() + file.start; }

 private:
  std::vector<File> files_;
  uint64_t length_ = 0;
  std::shared_ptr<uint8_t> bytes_;
};

}  // namespace coral
