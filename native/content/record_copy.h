// Reads records out of a pack so that they can be written to another one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "content/chain.h"
#include "content/encode_chunks.h"
#include "content/pack_file.h"
#include "io/copy_control.h"
#include "io/status.h"

namespace coral {

struct RecordPlaces {
  std::vector<uint64_t> offsets;
  std::vector<uint32_t> stored;
};

// Records stay as they are, chains too where they come along from their first record on. What is
// wanted of any other chain is encoded anew, as chains of its own: no record is copied that nobody
// asked for.
class RecordCopy {
 public:
  // `seed`: of the pack, as its records have it. Obeys the background rate.
  RecordCopy(const PackFile& source, uint64_t seed, const RecordPlaces& records,
             CopyControl& control)
      : source_(source), seed_(seed), records_(records), control_(control) {}

  // Adds the next ones, in their order; none at the end. They last until the next call. EBADMSG
  // where a record, or one that it depends on, is damaged or can't be read; ECANCELED.
  Status Next(std::vector<EncodedChunk>* chunks);

 private:
  // Records side by side.
  struct Run {
    uint64_t start = 0;
    std::vector<EncodedChunk> chunks;
  };

  Status ReadRun(Run* run);
  Status Unchain(const Run& run, size_t count);
  Status EncodeUnchained(std::vector<EncodedChunk>* chunks);
  Status ReadBytes(uint64_t offset, uint64_t length, std::shared_ptr<uint8_t>* bytes);
  Status Damaged(const char* what) const { return Status::Error(EBADMSG, what, source_.path()); }

  const PackFile& source_;
  const uint64_t seed_;
  const RecordPlaces& records_;
  CopyControl& control_;
  size_t next_ = 0;
  // Chunks of one chain that wait for the others that are wanted of it.
  std::optional<ChainDecoder> chain_;
  std::vector<DecodedChunk> unchained_;
};

}  // namespace coral
