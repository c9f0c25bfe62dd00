// The chunks of a chain, which depend on those before them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "content/pack_format.h"

namespace coral {

// Decodes the records of one chain in their order and keeps what they hold.
class ChainDecoder {
 public:
  // `start` is where the chain's first record is in its pack.
  explicit ChainDecoder(uint64_t start) : start_(start), next_(start) {}

  uint64_t start() const { return start_; }
  // Bytes of all its chunks, at most; 0 before the first.
  size_t capacity() const { return capacity_; }
  bool complete() const { return capacity_ > 0 && filled_ == capacity_; }
  // The record that was decoded last ends here.
  uint64_t next() const { return next_; }
  bool Follows(const RecordHeader& header, uint64_t offset) const {
    return header.codec == Codec::kChain && offset == next_ && offset - header.before == start_;
  }

  // A record with a good payload. False where it is not the next one of the chain or does not
  // decode; then nothing of the chain can be decoded any more.
  bool Append(const RecordHeader& header, uint64_t offset, const uint8_t* payload);
  // Records that lie side by side and end at `end`, from `next` on; checks each.
  bool AppendAll(const uint8_t* bytes, uint64_t end, uint64_t seed);

  // The chunk of the record at `offset`, or null. It stays as long as `data` is held.
  const uint8_t* Find(uint64_t offset, uint32_t length) const;
  const std::shared_ptr<uint8_t>& data() const { return data_; }

 private:
  struct Part {
    uint64_t offset;  // Of the record.
    uint32_t start;   // In data_.
    uint32_t length;
  };

  const uint64_t start_;
  uint64_t next_;
  std::shared_ptr<void> context_;
  std::shared_ptr<uint8_t> data_;
  size_t capacity_ = 0;
  std::vector<Part> parts_;
  size_t filled_ = 0;
  bool broken_ = false;
};

// A chain that readers share.
struct SharedChain {
  explicit SharedChain(uint64_t start) : decoder(start), read(start) {}

  // Called with the mutex held for each record that was read to its end. True where all of the
  // chain was, in order: nobody comes back to it.
  bool ReadToEnd(uint64_t offset, uint32_t stored) {
    in_order = in_order && offset == read;
    read = offset + stored;
    return in_order && decoder.complete() && read == decoder.next();
  }

  std::mutex mutex;
  ChainDecoder decoder;  // guarded by mutex
  uint64_t read;         // guarded by mutex; where the next record in order begins
  bool in_order = true;  // guarded by mutex
};

// The chain of a pack (PackFile::id) whose first record is at `start`: as far as others decoded it,
// or from its start. Those that were used last are kept, 64 MiB of them. All: any thread.
std::shared_ptr<SharedChain> ChainAt(uint64_t pack, uint64_t start);
// Counts the bytes of its chunks, once that is known.
void ChargeChain(uint64_t pack, const ChainDecoder& chain);
// Whoever asks next begins anew.
void DropChain(uint64_t pack, uint64_t start);

}  // namespace coral
