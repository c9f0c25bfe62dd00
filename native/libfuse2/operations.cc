#include "libfuse2/operations.h"

#include <algorithm>
#include <cstring>

#include "libfuse2/encoding.h"
#include "libfuse2/library.h"
#include "libfuse2/request.h"

namespace coral::libfuse2 {

namespace {

// Words after the opcode, as in src/fuse/fuse-native/encoding.ts.
constexpr int64_t kHiding = 1;
constexpr int64_t kFallocate = 1;

// Set before the first callback, then only read.
fuse_operations inner;

int GetAttr(const char* path, struct stat* stat) {
  const int result = inner.getattr(Seal(path).c_str(), stat);
  Unpack(stat);
  return result;
}

int FGetAttr(const char* path, struct stat* stat, fuse_file_info* info) {
  const int result = inner.fgetattr(Seal(path).c_str(), stat, info);
  Unpack(stat);
  return result;
}

// A target takes up to twice its length on the way.
int ReadLink(const char* path, char* target, size_t size) {
  std::string wide(2 * size, '\0');
  const int result = inner.readlink(Seal(path).c_str(), wide.data(), wide.size());
  if (result != 0) return result;
  const std::string bytes = FromUtf8(wide.c_str());
  const size_t length = std::min(bytes.size(), size - 1);
  memcpy(target, bytes.data(), length);
  target[length] = '\0';
  return 0;
}

int MkNod(const char* path, mode_t mode, dev_t device) {
  return inner.mknod(Seal(path).c_str(), mode, device);
}

int MkDir(const char* path, mode_t mode) { return inner.mkdir(Seal(path).c_str(), mode); }

int Unlink(const char* path) { return inner.unlink(Seal(path).c_str()); }

int RmDir(const char* path) { return inner.rmdir(Seal(path).c_str()); }

int SymLink(const char* target, const char* path) {
  return inner.symlink(Seal(target).c_str(), ToUtf8(path).c_str());
}

int Rename(const char* from, const char* to) {
  const std::string sealed = IsHiding(to) ? Seal(from, {kHiding}) : Seal(from);
  return inner.rename(sealed.c_str(), ToUtf8(to).c_str());
}

int Link(const char* from, const char* to) {
  return inner.link(Seal(from).c_str(), ToUtf8(to).c_str());
}

int ChMod(const char* path, mode_t mode) { return inner.chmod(Seal(path).c_str(), mode); }

int ChOwn(const char* path, uid_t uid, gid_t gid) {
  return inner.chown(Seal(path).c_str(), uid, gid);
}

int Truncate(const char* path, off_t size) { return inner.truncate(Seal(path).c_str(), size); }

int FTruncate(const char* path, off_t size, fuse_file_info* info) {
  return inner.ftruncate(Seal(path).c_str(), size, info);
}

// The binding has no callback for it.
int FAllocate(const char* path, int mode, off_t offset, off_t length, fuse_file_info* info) {
  return inner.ftruncate(Seal(path, {kFallocate, mode, offset, length}).c_str(), 0, info);
}

// The binding would give the access time for both, in milliseconds.
int UTimeNs(const char* path, const timespec times[2]) {
  const std::string sealed =
      Seal(path, {times[0].tv_sec, times[0].tv_nsec, times[1].tv_sec, times[1].tv_nsec});
  return inner.utimens(sealed.c_str(), times);
}

int Open(const char* path, fuse_file_info* info) { return inner.open(Seal(path).c_str(), info); }

// The binding does not give the flags.
int Create(const char* path, mode_t mode, fuse_file_info* info) {
  return inner.create(Seal(path, {info->flags}).c_str(), mode, info);
}

int Read(const char* path, char* data, size_t size, off_t offset, fuse_file_info* info) {
  return inner.read(Seal(path).c_str(), data, size, offset, info);
}

int Write(const char* path, const char* data, size_t size, off_t offset, fuse_file_info* info) {
  return inner.write(Seal(path).c_str(), data, size, offset, info);
}

int StatFs(const char* path, struct statvfs* statistics) {
  return inner.statfs(Seal(path).c_str(), statistics);
}

int Release(const char* path, fuse_file_info* info) {
  return inner.release(Seal(path).c_str(), info);
}

int FSync(const char* path, int data_only, fuse_file_info* info) {
  return inner.fsync(Seal(path).c_str(), data_only, info);
}

int FSyncDir(const char* path, int data_only, fuse_file_info* info) {
  return inner.fsyncdir(Seal(path).c_str(), data_only, info);
}

int SetXattr(const char* path, const char* name, const char* value, size_t size, int flags) {
  return inner.setxattr(Seal(path).c_str(), ToUtf8(name).c_str(), value, size, flags);
}

int GetXattr(const char* path, const char* name, char* value, size_t size) {
  return inner.getxattr(Seal(path).c_str(), ToUtf8(name).c_str(), value, size);
}

int ListXattr(const char* path, char* list, size_t size) {
  return inner.listxattr(Seal(path).c_str(), list, size);
}

int RemoveXattr(const char* path, const char* name) {
  return inner.removexattr(Seal(path).c_str(), ToUtf8(name).c_str());
}

// Where libfuse gathers the entries of a directory.
struct Filling {
  void* buffer;
  fuse_fill_dir_t filler;
};

int Fill(void* filling, const char* name, const struct stat* stat, off_t offset) {
  const auto& [buffer, filler] = *static_cast<Filling*>(filling);
  if (stat == nullptr) return filler(buffer, FromUtf8(name).c_str(), nullptr, offset);
  struct stat unpacked = *stat;
  Unpack(&unpacked);
  return filler(buffer, FromUtf8(name).c_str(), &unpacked, offset);
}

int ReadDir(const char* path, void* buffer, fuse_fill_dir_t filler, off_t offset,
            fuse_file_info* info) {
  Filling filling{buffer, filler};
  return inner.readdir(Seal(path).c_str(), &filling, Fill, offset, info);
}

void WrapNames(fuse_operations* ours) {
  ours->getattr = GetAttr;
  ours->readlink = ReadLink;
  ours->mknod = MkNod;
  ours->mkdir = MkDir;
  ours->unlink = Unlink;
  ours->rmdir = RmDir;
  ours->symlink = SymLink;
  ours->rename = Rename;
  ours->link = Link;
  ours->chmod = ChMod;
  ours->chown = ChOwn;
  ours->utimens = UTimeNs;
  ours->statfs = StatFs;
  ours->readdir = ReadDir;
  ours->fsyncdir = FSyncDir;
  ours->setxattr = SetXattr;
  ours->getxattr = GetXattr;
  ours->listxattr = ListXattr;
  ours->removexattr = RemoveXattr;
}

void WrapFiles(fuse_operations* ours) {
  ours->fgetattr = FGetAttr;
  ours->truncate = Truncate;
  ours->ftruncate = FTruncate;
  ours->fallocate = FAllocate;
  ours->open = Open;
  ours->create = Create;
  ours->read = Read;
  ours->write = Write;
  ours->release = Release;
  ours->fsync = FSync;
}

}  // namespace

fuse_operations WrapOperations(const fuse_operations* theirs, size_t size) {
  inner = {};
  memcpy(&inner, theirs, std::min(size, sizeof(inner)));
  fuse_operations ours = {};
  ours.init = inner.init;
  WrapNames(&ours);
  WrapFiles(&ours);
  // Handles stay usable without a path; times may be set one at a time.
  ours.flag_nullpath_ok = 1;
  ours.flag_utime_omit_ok = 1;
  return ours;
}

}  // namespace coral::libfuse2
