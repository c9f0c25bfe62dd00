// The io section of the border: descriptors and files.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/async.h"
#include "addon/stat_values.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/mapping.h"
#include "io/others.h"

namespace coral::addon {

namespace {

Napi::Value Undefined(Napi::Env env) { return env.Undefined(); }

// Runs work without a result on the foreground pool.
Napi::Value Promise(const Napi::CallbackInfo& info, std::function<Status()> work) {
  return RunAsync(info.Env(), WorkerPool::Foreground(), std::move(work), Undefined);
}

Napi::Value OpenSync(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto path = args.String(0);
  const int flags = args.Int(1);
  const auto mode = static_cast<unsigned>(args.Int(2));
  if (!args.ok()) return {};
  UniqueFd fd;
  if (ThrowIfError(info.Env(), io::Open(path, flags, mode, &fd))) return {};
  return Napi::Number::New(info.Env(), fd.release());
}

Napi::Value Open(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto path = args.String(0);
  const int flags = args.Int(1);
  const auto mode = static_cast<unsigned>(args.Int(2));
  if (!args.ok()) return {};
  const auto fd = std::make_shared<UniqueFd>();
  return RunAsync(
      info.Env(), WorkerPool::Foreground(), [=] { return io::Open(path, flags, mode, fd.get()); },
      [=](Napi::Env env) { return Napi::Number::New(env, fd->release()); });
}

void Close(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  if (!args.ok()) return;
  // Not repeated on EINTR: Linux has closed it then.
  if (close(fd) != 0 && errno != EINTR) ThrowIfError(info.Env(), Status::FromErrno("close"));
}

Napi::Value Duplicate(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  if (!args.ok()) return {};
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) {
    ThrowIfError(info.Env(), Status::FromErrno("fcntl"));
    return {};
  }
  return Napi::Number::New(info.Env(), copy);
}

void StatFd(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  double* out = args.Doubles(1, kStatLength);
  if (!args.ok()) return;
  struct stat result;
  if (fstat(fd, &result) != 0) {
    ThrowIfError(info.Env(), Status::FromErrno("fstat"));
    return;
  }
  FillStat(result, out);
}

void StatPath(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto path = args.String(0);
  double* out = args.Doubles(1, kStatLength);
  if (!args.ok()) return;
  struct stat result;
  if (stat(path.c_str(), &result) != 0) {
    ThrowIfError(info.Env(), Status::FromErrno("stat", path));
    return;
  }
  FillStat(result, out);
}

Napi::Value Fsync(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  const bool data_only = args.Boolean(1);
  if (!args.ok()) return {};
  return Promise(info, [=] { return io::Sync(fd, data_only); });
}

Napi::Value SyncFilesystem(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto path = args.String(0);
  if (!args.ok()) return {};
  return Promise(info, [=] { return io::SyncFilesystem(path); });
}

Napi::Value SyncDirectory(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto path = args.String(0);
  if (!args.ok()) return {};
  return Promise(info, [=] { return io::SyncDirectory(path); });
}

Napi::Value Truncate(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  const int64_t size = args.Integer(1);
  if (!args.ok()) return {};
  return Promise(info, [=] { return io::Truncate(fd, size); });
}

Napi::Value Fallocate(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  const int mode = args.Int(1);
  const int64_t offset = args.Integer(2);
  const int64_t length = args.Integer(3);
  if (!args.ok()) return {};
  return Promise(info, [=] { return io::Allocate(fd, mode, offset, length); });
}

Napi::Value Seek(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  const int64_t offset = args.Integer(1);
  const int whence = args.Int(2);
  if (!args.ok()) return {};
  const off_t found = lseek(fd, offset, whence);
  if (found < 0) {
    ThrowIfError(info.Env(), Status::FromErrno("lseek"));
    return {};
  }
  return Napi::Number::New(info.Env(), static_cast<double>(found));
}

Napi::Value CopyRange(const Napi::CallbackInfo& info) {
  Args args(info);
  const int in = args.Int(0);
  const int64_t in_offset = args.Integer(1);
  const int out = args.Int(2);
  const int64_t out_offset = args.Integer(3);
  const int64_t length = args.Integer(4);
  if (!args.ok()) return {};
  const auto copied = std::make_shared<int64_t>(0);
  return RunAsync(
      info.Env(), WorkerPool::Foreground(),
      [=] { return io::CopyRange(in, in_offset, out, out_offset, length, copied.get()); },
      [=](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(*copied)); });
}

void SetTimes(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  const timespec times[2] = {{args.Integer(1), args.Integer(2)},
                             {args.Integer(3), args.Integer(4)}};
  if (!args.ok()) return;
  if (futimens(fd, times) != 0) ThrowIfError(info.Env(), Status::FromErrno("futimens"));
}

void CurrentTime(const Napi::CallbackInfo& info) {
  Args args(info);
  double* into = args.Doubles(0, 2);
  if (!args.ok()) return;
  const timespec time = io::CurrentTime();
  into[0] = static_cast<double>(time.tv_sec);
  into[1] = static_cast<double>(time.tv_nsec);
}

void SetXattr(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  const auto name = args.String(1);
  const auto value = args.Bytes(2);
  if (!args.ok()) return;
  if (fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0) {
    ThrowIfError(info.Env(), Status::FromErrno("fsetxattr"));
  }
}

Napi::Value GetXattr(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto path = args.String(0);
  const auto name = args.String(1);
  if (!args.ok()) return {};
  bool present = false;
  std::string value;
  if (ThrowIfError(info.Env(), io::GetXattr(path, name, &present, &value))) return {};
  if (!present) return info.Env().Null();
  return Napi::Buffer<char>::Copy(info.Env(), value.data(), value.size());
}

// Memory of a read: C's own, since its size comes from outside and running out must be an error.
struct ReadMemory {
  explicit ReadMemory(size_t size) : data(static_cast<char*>(malloc(size > 0 ? size : 1))) {}
  ~ReadMemory() { free(data); }
  char* data;
  size_t done = 0;
};

Napi::Value Read(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  const int64_t offset = args.Integer(1);
  const int64_t length = args.Integer(2);
  if (!args.ok()) return {};
  const auto size = static_cast<size_t>(std::max<int64_t>(length, 0));
  const auto memory = std::make_shared<ReadMemory>(size);
  return RunAsync(
      info.Env(), WorkerPool::Foreground(),
      [=] {
        if (length < 0) return Status::Error(EINVAL, "pread");
        if (memory->data == nullptr) return Status::Error(ENOMEM, "pread");
        return io::ReadFully(fd, memory->data, size, offset, &memory->done);
      },
      [=](Napi::Env env) {
        char* data = std::exchange(memory->data, nullptr);
        return Napi::Buffer<char>::NewOrCopy(env, data, memory->done,
                                             [](Napi::Env, char* ours) { free(ours); });
      });
}

Napi::Value Write(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  const int64_t offset = args.Integer(1);
  auto data = std::make_shared<std::string>(args.Bytes(2));
  if (!args.ok()) return {};
  return RunAsync(
      info.Env(), WorkerPool::Foreground(),
      [=] { return io::WriteFully(fd, data->data(), data->size(), offset); },
      [=](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(data->size())); });
}

Napi::Value ReleaseMappings(const Napi::CallbackInfo& info) {
  Args args(info);
  const std::string path = args.String(0);
  if (args.ok()) ThrowIfError(info.Env(), io::ReleaseMappings(path));
  return {};
}

Napi::Value LockFile(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  if (!args.ok()) return {};
  int failed = 0;
  while (flock(fd, LOCK_EX | LOCK_NB) != 0 && (failed = errno) == EINTR) {
  }
  if (failed != 0 && failed != EINTR && failed != EWOULDBLOCK) {
    ThrowIfError(info.Env(), Status::Error(failed, "flock"));
    return {};
  }
  return Napi::Boolean::New(info.Env(), failed != EWOULDBLOCK);
}

Napi::Value HasOthers(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  if (!args.ok()) return {};
  bool others = false;
  if (ThrowIfError(info.Env(), io::HasOthers(fd, &others))) return {};
  return Napi::Boolean::New(info.Env(), others);
}

}  // namespace

void RegisterIo(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, auto* function) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("openSync", OpenSync);
  add("open", Open);
  add("close", Close);
  add("duplicate", Duplicate);
  add("statFd", StatFd);
  add("statPath", StatPath);
  add("fsync", Fsync);
  add("syncFilesystem", SyncFilesystem);
  add("syncDirectory", SyncDirectory);
  add("truncate", Truncate);
  add("fallocate", Fallocate);
  add("seek", Seek);
  add("copyRange", CopyRange);
  add("currentTime", CurrentTime);
  add("setTimes", SetTimes);
  add("setXattr", SetXattr);
  add("getXattr", GetXattr);
  add("read", Read);
  add("write", Write);
  add("lockFile", LockFile);
  add("releaseMappings", ReleaseMappings);
  add("hasOthers", HasOthers);
}

}  // namespace coral::addon
