#include "libfuse2/request.h"

#include <cstring>

#include "fuse/protocol.h"
#include "libfuse2/library.h"

namespace coral::libfuse2 {

namespace {

// Of struct fuse_in_header: length, opcode, unique, node, owner.
constexpr size_t kHeaderLength = 40;
constexpr size_t kOpcodeOffset = 4;
// Of struct fuse_rename_in: the new directory; two names follow.
constexpr size_t kRenameLength = 8;
constexpr uint32_t kUnlink = 10;
constexpr uint32_t kRename = 12;

thread_local const char* request = nullptr;
thread_local size_t request_length = 0;

// The second of the two names in a RENAME.
std::string_view NewNameOfRename() {
  const std::string_view names(request + kHeaderLength + kRenameLength,
                               request_length - kHeaderLength - kRenameLength);
  const auto second = names.find('\0');
  if (second == names.npos) return {};
  const auto rest = names.substr(second + 1);
  return rest.substr(0, rest.find('\0'));
}

}  // namespace

CurrentRequest::CurrentRequest(const fuse_buf& buffer) {
  // What came through a pipe is the data of a large WRITE.
  const bool in_memory = (buffer.flags & FUSE_BUF_IS_FD) == 0 && buffer.size >= kHeaderLength;
  request = in_memory ? static_cast<const char*>(buffer.mem) : nullptr;
  request_length = in_memory ? buffer.size : 0;
}

CurrentRequest::~CurrentRequest() { request = nullptr; }

uint32_t CurrentOpcode() {
  if (request == nullptr) return 0;
  uint32_t opcode;
  memcpy(&opcode, request + kOpcodeOffset, sizeof(opcode));
  return opcode;
}

bool IsHiding(std::string_view target) {
  const uint32_t opcode = CurrentOpcode();
  if (opcode == kUnlink) return true;
  if (opcode != kRename || request_length < kHeaderLength + kRenameLength) return false;
  return target.substr(target.rfind('/') + 1) != NewNameOfRename();
}

}  // namespace coral::libfuse2
