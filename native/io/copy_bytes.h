// Whole reads and writes at an offset, and a block of zeros.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/status.h"

namespace coral {

inline constexpr size_t kZeroBlockSize = 1 << 20;

// kZeroBlockSize zero bytes that take no memory.
const uint8_t* ZeroBlock();

// Reads until `length` bytes, the end of the file or an error. `*done` counts the bytes that were
// read in every case; less than `length` with an ok status means the end of the file.
Status ReadAt(int fd, void* data, size_t length, uint64_t offset, size_t* done);

// One read of what the page cache has: less, or an error, where a medium would have to be waited
// for.
Status ReadCachedAt(int fd, void* data, size_t length, uint64_t offset, size_t* done);

// Writes everything. A device that takes nothing more without saying why is ENOSPC.
Status WriteAt(int fd, std::vector<iovec> parts, uint64_t offset);

}  // namespace coral
