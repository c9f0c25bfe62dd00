// Appends chunk records to one pack file.
//
// A pack is written in order and never changed: records, then, once sealed, index and footer.
// Whatever fails, the file ends after the last record that a call reported, so what was reported
// stays readable.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "content/encode_chunks.h"
#include "content/pack_file.h"
#include "content/pack_format.h"
#include "content/parity.h"
#include "content/record_copy.h"
#include "io/copy_control.h"
#include "io/status.h"
#include "io/unique_fd.h"

namespace coral {

struct Appended {
  std::vector<uint64_t> offsets;
  std::vector<uint32_t> stored;  // Header included.
};

// What makes a pack sealed, to be written at `offset`, where its records end, with a sync before
// and after.
std::vector<uint8_t> IndexAndFooter(const PackIdentity& identity, uint64_t offset,
                                    const std::vector<IndexEntry>& entries);

class PackWriter {
 public:
  // Creates the file; EEXIST where there is one.
  static Status Create(const std::string& path, const PackIdentity& identity,
                       std::shared_ptr<PackWriter>* writer);

  PackWriter(UniqueFd fd, std::string path, const PackIdentity& identity);

  // One of the following at a time, on a pool thread.
  // After an error of Append or CopyRecords nothing was added, and the writer can still be used.
  // After a failed sync it can't (EIO): what the kernel then drops, it never writes again.
  Status Append(const std::vector<EncodedChunk>& chunks, Appended* appended);
  // EBADMSG where a record is damaged or the medium can't read it, or the file is not pack
  // `source_id` of this volume; ECANCELED. Obeys the background rate. Of a chain that is not copied
  // from its first record on, the records are made anew: they may have another length.
  Status CopyRecords(const std::string& source_path, uint64_t source_id,
                     const RecordPlaces& records, CopyControl& control, Appended* appended);
  // Writes the pack's parity beside it, too.
  Status Seal();
  // Writes the parity of what is there so far.
  Status WriteParity() const;

  // Any thread, beside the others: what was appended before the call is durable after it.
  Status Sync();

  // Any thread.
  uint64_t size() const { return size_; }

 private:
  Status CheckUsable() const;
  Status Write(const std::vector<EncodedChunk>& chunks, Appended* appended);
  void BeginWriteback();
  void RollBack(uint64_t size, size_t entries);

  const UniqueFd fd_;
  const std::string path_;
  const PackIdentity identity_;
  const uint64_t seed_;
  std::atomic<uint64_t> size_ = kFirstRecord;
  std::atomic<bool> broken_ = false;

  // Used by one call at a time.
  std::vector<IndexEntry> entries_;
  uint64_t written_ = 0;  // Write-back was begun up to here.
  Parity parity_;
  bool parity_whole_ = true;  // It has just what is in the file.
  bool sealed_ = false;

  // The kernel tells of an error once: whoever syncs next must see that it was told.
  std::mutex sync_mutex_;
  bool linked_ = false;  // The directory entry is durable; guarded by sync_mutex_
};

}  // namespace coral
