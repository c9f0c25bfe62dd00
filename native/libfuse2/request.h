// The kernel's request that a thread of libfuse works on: what the path-based callbacks can't tell.
#pragma once

#include <cstdint>
#include <string_view>

struct fuse_buf;

namespace coral::libfuse2 {

// Holds the thread's request while libfuse processes it.
class CurrentRequest {
 public:
  explicit CurrentRequest(const fuse_buf& buffer);
  ~CurrentRequest();
  CurrentRequest(const CurrentRequest&) = delete;
  CurrentRequest& operator=(const CurrentRequest&) = delete;
};

// The FUSE opcode, or 0 where there is none.
uint32_t CurrentOpcode();

// True where libfuse renames by itself, to hide a file that is removed or replaced while it is
// open. `target` is the path that it renames to.
bool IsHiding(std::string_view target);

}  // namespace coral::libfuse2
