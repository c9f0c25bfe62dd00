#include "io/tree_entries.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

namespace coral {

namespace {

constexpr size_t kEnough = 512;
constexpr size_t kBuffer = 32 << 10;

// As getdents64(2) has it; glibc has no such structure.
struct Dirent {
  uint64_t ino;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[];
};

bool IsDots(const char* name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

void Look(int directory, const char* name, std::vector<TreeEntry>* entries) {
  TreeEntry entry{name};
  if (fstatat(directory, name, &entry.attributes, AT_SYMLINK_NOFOLLOW) != 0) entry.error = errno;
  if (entry.error != ENOENT) entries->push_back(std::move(entry));
}

}  // namespace

Status NextEntries(int directory, std::vector<TreeEntry>* entries, bool* last) {
  alignas(Dirent) char buffer[kBuffer];
  while (entries->size() < kEnough) {
    const auto got = syscall(SYS_getdents64, directory, buffer, sizeof(buffer));
    if (got < 0) return Status::FromErrno("getdents64");
    *last = got == 0;
    if (*last) break;
    // Looked at between two reads: the kernel asks FUSE for attributes with the names where it sees
    // that they are used.
    for (long at = 0; at < got;) {
      const auto* found = reinterpret_cast<const Dirent*>(buffer + at);
      if (!IsDots(found->name)) Look(directory, found->name, entries);
      at += found->length;
    }
  }
  return Status::Ok();
}

}  // namespace coral
