// One request of the kernel in memory, and the pool its buffers come from.
//
// A buffer starts at a page. It holds the request in its first bytes; once a READ is decoded, the
// pages after the first receive the data of its reply.
#pragma once

#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

#include "fuse/protocol.h"

namespace coral::fuse {

class BufferPool;

// Gives memory of the pool's size back to the pool, frees the rest.
struct BufferReturn {
  BufferPool* pool = nullptr;
  void operator()(char* memory) const;
};
using Buffer = std::unique_ptr<char, BufferReturn>;

// Hands out buffers of kRequestCapacity and keeps a few for reuse. Must outlive its buffers.
class BufferPool {
 public:
  BufferPool() = default;
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  Buffer Take();
  void Return(char* memory);

 private:
  // As many as the kernel asks for when it reads 16 MiB ahead, and again as much.
  static constexpr size_t kKept = 32;
  std::mutex mutex_;
  std::vector<char*> free_;  // guarded by mutex_
};

struct Request {
  Buffer buffer;
  size_t length = 0;
  // How often it was tried again.
  unsigned retries = 0;

  const InHeader& header() const { return *At<InHeader>(0); }
  const ReadIn& read() const { return *At<ReadIn>(sizeof(InHeader)); }
  const LseekIn& lseek() const { return *At<LseekIn>(sizeof(InHeader)); }
  const WriteIn& write() const { return *At<WriteIn>(sizeof(InHeader)); }
  const char* write_data() const { return buffer.get() + sizeof(InHeader) + sizeof(WriteIn); }
  // Where the data of a reply to a READ of at most kMaxTransfer goes. Leaves the request as it is.
  char* read_space() const { return buffer.get() + kPage; }

  bool is_data() const;
  // FORGET and INTERRUPT get no reply from here.
  bool wants_reply() const;
  // What JavaScript sees of it: a WRITE is shown without its data.
  size_t visible_length() const;
  // Moves a request that carries no data either way into memory of its own size, so that waiting
  // does not hold a buffer.
  void Compact();

 private:
  template <typename T>
  const T* At(size_t offset) const {
    return reinterpret_cast<const T*>(buffer.get() + offset);
  }
};

}  // namespace coral::fuse
