// A pack that is open for reading, and how a record becomes a chunk again.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "content/pack_format.h"
#include "io/status.h"
#include "io/unique_fd.h"

namespace coral {

// Reads the identity of a pack from either copy of its header, else from the footer. EBADMSG where
// none is good, EPROTONOSUPPORT for another format version.
Status ReadIdentity(int fd, uint64_t file_length, const std::string& path, PackIdentity* identity);

// Checks the payload of a record against its header.
bool PayloadIsGood(const RecordHeader& header, const uint8_t* payload);

// Decodes a good payload into `data` of `header.length` bytes. False where it does not decode to
// exactly that.
bool DecodePayload(const RecordHeader& header, const uint8_t* payload, uint8_t* data);

class PackFile {
 public:
  // Opens the pack, or shares it with whoever has it open: plans of many files don't multiply
  // descriptors. It is not read yet.
  static Status Open(const std::string& path, std::shared_ptr<PackFile>* pack);

  PackFile(UniqueFd fd, std::string path);

  // Any thread. Reads the pack's header the first time; a damaged one is EBADMSG.
  Status Seed(uint64_t* seed);

  // Seed does not read.
  bool known() const { return known_; }

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  // Differs between any two packs that were opened since the process started.
  uint64_t id() const { return id_; }

 private:
  const UniqueFd fd_;
  const std::string path_;
  const uint64_t id_;
  std::atomic<bool> known_ = false;
  std::atomic<uint64_t> seed_ = 0;
};

}  // namespace coral
