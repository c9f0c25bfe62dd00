// Raw system calls for tests: what Node has no function for, with the arguments that the kernel
// sees. Structures are put together in TypeScript. A call blocks the thread of JavaScript, and
// credentials that it changes are those of that thread alone, which the C library's own functions
// would not allow.
#include <napi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace {

constexpr size_t kMaxArguments = 6;

constexpr std::pair<const char*, long> kNumbers[] = {
    {"accept4", SYS_accept4},
    {"bind", SYS_bind},
    {"chdir", SYS_chdir},
    {"close", SYS_close},
    {"connect", SYS_connect},
    {"copy_file_range", SYS_copy_file_range},
    {"dup", SYS_dup},
    {"faccessat2", SYS_faccessat2},
    {"fallocate", SYS_fallocate},
    {"fchdir", SYS_fchdir},
    {"fchmod", SYS_fchmod},
    {"fchmodat", SYS_fchmodat},
    {"fchown", SYS_fchown},
    {"fchownat", SYS_fchownat},
    {"fcntl", SYS_fcntl},
    {"fdatasync", SYS_fdatasync},
    {"fgetxattr", SYS_fgetxattr},
    {"flistxattr", SYS_flistxattr},
    {"flock", SYS_flock},
    {"fremovexattr", SYS_fremovexattr},
    {"fsetxattr", SYS_fsetxattr},
    {"fstatfs", SYS_fstatfs},
    {"fsync", SYS_fsync},
    {"ftruncate", SYS_ftruncate},
    {"getdents64", SYS_getdents64},
    {"getxattr", SYS_getxattr},
    {"inotify_add_watch", SYS_inotify_add_watch},
    {"inotify_init1", SYS_inotify_init1},
    {"inotify_rm_watch", SYS_inotify_rm_watch},
    {"ioctl", SYS_ioctl},
    {"lgetxattr", SYS_lgetxattr},
    {"linkat", SYS_linkat},
    {"listen", SYS_listen},
    {"listxattr", SYS_listxattr},
    {"llistxattr", SYS_llistxattr},
    {"lremovexattr", SYS_lremovexattr},
    {"lseek", SYS_lseek},
    {"lsetxattr", SYS_lsetxattr},
    {"madvise", SYS_madvise},
    {"mkdirat", SYS_mkdirat},
    {"mknodat", SYS_mknodat},
    {"mmap", SYS_mmap},
    {"mremap", SYS_mremap},
    {"msync", SYS_msync},
    {"munmap", SYS_munmap},
    {"name_to_handle_at", SYS_name_to_handle_at},
    {"open_by_handle_at", SYS_open_by_handle_at},
    {"openat", SYS_openat},
    {"openat2", SYS_openat2},
    {"pipe2", SYS_pipe2},
    {"pread64", SYS_pread64},
    {"preadv2", SYS_preadv2},
    {"prlimit64", SYS_prlimit64},
    {"pwrite64", SYS_pwrite64},
    {"pwritev2", SYS_pwritev2},
    {"read", SYS_read},
    {"readahead", SYS_readahead},
    {"readlinkat", SYS_readlinkat},
    {"removexattr", SYS_removexattr},
    {"renameat2", SYS_renameat2},
    {"sendfile", SYS_sendfile},
    {"setgroups", SYS_setgroups},
    {"setresgid", SYS_setresgid},
    {"setresuid", SYS_setresuid},
    {"setxattr", SYS_setxattr},
    {"socket", SYS_socket},
    {"splice", SYS_splice},
    {"statfs", SYS_statfs},
    {"statx", SYS_statx},
    {"symlinkat", SYS_symlinkat},
    {"sync_file_range", SYS_sync_file_range},
    {"syncfs", SYS_syncfs},
    {"truncate", SYS_truncate},
    {"umask", SYS_umask},
    {"unlinkat", SYS_unlinkat},
    {"utimensat", SYS_utimensat},
    {"write", SYS_write},
};

// A number as it is, a Buffer as the address of its bytes, null as a null pointer.
bool ReadArgument(Napi::Value value, long* out) {
  if (value.IsNumber()) {
    *out = static_cast<long>(value.As<Napi::Number>().Int64Value());
  } else if (value.IsBigInt()) {
    bool lossless = true;
    *out = static_cast<long>(value.As<Napi::BigInt>().Int64Value(&lossless));
  } else if (value.IsBuffer()) {
    *out = reinterpret_cast<long>(value.As<Napi::Buffer<char>>().Data());
  } else if (value.IsNull()) {
    *out = 0;
  } else {
    return false;
  }
  return true;
}

void ThrowErrno(Napi::Env env, int error) {
  const char* name = strerrorname_np(error);
  auto failure = Napi::Error::New(env, strerror(error));
  failure.Set("code", Napi::String::New(env, name != nullptr ? name : "UNKNOWN"));
  failure.Set("errno", Napi::Number::New(env, error));
  failure.ThrowAsJavaScriptException();
}

// systemCall(number, ...arguments): the result, or an Error with the errno's name as its code.
Napi::Value SystemCall(const Napi::CallbackInfo& info) {
  long number = 0;
  std::array<long, kMaxArguments> given{};
  bool valid =
      info.Length() >= 1 && info.Length() <= 1 + kMaxArguments && ReadArgument(info[0], &number);
  for (size_t i = 1; valid && i < info.Length(); i++) valid = ReadArgument(info[i], &given[i - 1]);
  if (!valid) {
    Napi::TypeError::New(info.Env(), "numbers, Buffers and null only").ThrowAsJavaScriptException();
    return {};
  }
  const long result = syscall(number, given[0], given[1], given[2], given[3], given[4], given[5]);
  if (result == -1) {
    ThrowErrno(info.Env(), errno);
    return {};
  }
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto numbers = Napi::Object::New(env);
  for (const auto& [name, number] : kNumbers) {
    numbers.Set(name, Napi::Number::New(env, static_cast<double>(number)));
  }
  exports.Set("numbers", numbers);
  exports.Set("systemCall", Napi::Function::New(env, SystemCall, "systemCall"));
  return exports;
}

NODE_API_MODULE(system_calls, Init)

}  // namespace
