// The parts of the kernel's FUSE protocol that native code reads or writes.
//
// Defined here because the headers of supported distributions are older than the protocol; the
// layout follows the Linux UAPI and is asserted. Everything else is decoded in TypeScript.
#pragma once

#include <sys/ioctl.h>

#include <cstddef>
#include <cstdint>

namespace coral::fuse {

enum Opcode : uint32_t {
  kForget = 2,
  kRead = 15,
  kWrite = 16,
  kInterrupt = 36,
  kBatchForget = 42,
  kLseek = 46,
};

struct InHeader {
  uint32_t len;
  uint32_t opcode;
  uint64_t unique;
  uint64_t nodeid;
  uint32_t uid;
  uint32_t gid;
  uint32_t pid;
  uint16_t total_extlen;  // in 8-byte units
  uint16_t padding;
};
static_assert(sizeof(InHeader) == 40);

struct OutHeader {
  uint32_t len;
  int32_t error;  // 0 or a negative errno; for notifications the positive NotifyCode
  uint64_t unique;
};
static_assert(sizeof(OutHeader) == 16);

struct ReadIn {
  uint64_t fh;
  uint64_t offset;
  uint32_t size;
  uint32_t read_flags;
  uint64_t lock_owner;
  uint32_t flags;
  uint32_t padding;
};
static_assert(sizeof(ReadIn) == 40);

struct LseekIn {
  uint64_t fh;
  uint64_t offset;
  uint32_t whence;
  uint32_t padding;
};
static_assert(sizeof(LseekIn) == 24);

struct LseekOut {
  uint64_t offset;
};
static_assert(sizeof(LseekOut) == 8);

struct WriteIn {
  uint64_t fh;
  uint64_t offset;
  uint32_t size;
  uint32_t write_flags;
  uint64_t lock_owner;
  uint32_t flags;  // open(2) flags of the file, O_DSYNC and O_SYNC also as the single write asks
                   // for them
  uint32_t padding;
};
static_assert(sizeof(WriteIn) == 40);

struct WriteOut {
  uint32_t size;
  uint32_t padding;
};
static_assert(sizeof(WriteOut) == 8);

enum NotifyCode : int32_t {
  kNotifyInvalidateInode = 2,
  kNotifyInvalidateEntry = 3,
  kNotifyStore = 4,
};

struct NotifyInvalidateInode {
  uint64_t ino;
  int64_t offset;
  int64_t length;
};
static_assert(sizeof(NotifyInvalidateInode) == 24);

struct NotifyInvalidateEntry {  // followed by the name and a NUL
  uint64_t parent;
  uint32_t name_length;
  uint32_t flags;
};
static_assert(sizeof(NotifyInvalidateEntry) == 16);

struct NotifyStore {  // followed by the data
  uint64_t ino;
  uint64_t offset;
  uint32_t size;
  uint32_t padding;
};
static_assert(sizeof(NotifyStore) == 24);

struct BackingMap {
  int32_t fd;
  uint32_t flags;
  uint64_t padding;
};
static_assert(sizeof(BackingMap) == 16);

constexpr unsigned kIocMagic = 229;
constexpr unsigned long kIocBackingOpen = _IOW(kIocMagic, 1, BackingMap);
constexpr unsigned long kIocBackingClose = _IOW(kIocMagic, 2, uint32_t);

// The largest READ and WRITE that buffers are made for. INIT must not negotiate a larger max_write.
constexpr size_t kMaxTransfer = size_t{1} << 20;
// The kernel refuses a read(2) of the device into less than a header, a WriteIn and max_write.
constexpr size_t kPage = 4096;
constexpr size_t kRequestCapacity = kMaxTransfer + 2 * kPage;
static_assert(kRequestCapacity >= sizeof(InHeader) + sizeof(WriteIn) + kMaxTransfer);

}  // namespace coral::fuse
