#include "fuse/request.h"

#include <algorithm>
#include <cstring>

namespace coral::fuse {

void BufferReturn::operator()(char* memory) const {
  if (pool != nullptr) {
    pool->Return(memory);
  } else {
    free(memory);
  }
}

BufferPool::~BufferPool() {
  for (char* memory : free_) free(memory);
}

Buffer BufferPool::Take() {
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      Buffer buffer(free_.back(), BufferReturn{this});
      free_.pop_back();
      return buffer;
    }
  }
  auto* memory = static_cast<char*>(aligned_alloc(kPage, kRequestCapacity));
  if (memory == nullptr) abort();  // Out of memory: as operator new without exceptions.
  return Buffer(memory, BufferReturn{this});
}

void BufferPool::Return(char* memory) {
  {
    std::lock_guard lock(mutex_);
    if (free_.size() < kKept) {
      free_.push_back(memory);
      return;
    }
  }
  free(memory);
}

bool Request::is_data() const {
  const auto& in = header();
  if (in.opcode == kRead) return length >= sizeof(InHeader) + sizeof(ReadIn);
  if (in.opcode != kWrite || length < sizeof(InHeader) + sizeof(WriteIn)) return false;
  return write().size <= length - sizeof(InHeader) - sizeof(WriteIn);
}

bool Request::wants_reply() const {
  const auto opcode = header().opcode;
  return opcode != kForget && opcode != kBatchForget && opcode != kInterrupt;
}

size_t Request::visible_length() const {
  if (header().opcode != kWrite) return length;
  return std::min(length, sizeof(InHeader) + sizeof(WriteIn));
}

void Request::Compact() {
  if (header().opcode == kRead || header().opcode == kWrite) return;
  auto* memory = static_cast<char*>(malloc(length));
  if (memory == nullptr) return;
  memcpy(memory, buffer.get(), length);
  buffer = Buffer(memory, BufferReturn{});
}

}  // namespace coral::fuse
