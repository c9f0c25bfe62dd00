// The result of a native operation: success, or an errno with what was tried and on what.
#pragma once

#include <cerrno>
#include <string>
#include <utility>

namespace coral {

class [[nodiscard]] Status {
 public:
  static Status Ok() { return Status(); }
  static Status Error(int error, const char* syscall, std::string path = {}) {
    Status status;
    status.error_ = error;
    status.syscall_ = syscall;
    status.path_ = std::move(path);
    return status;
  }
  // The calling thread's errno. Call it right after the failed system call.
  static Status FromErrno(const char* syscall, std::string path = {}) {
    return Error(errno, syscall, std::move(path));
  }

  bool ok() const { return error_ == 0; }
  int error() const { return error_; }
  const char* syscall() const { return syscall_; }
  const std::string& path() const { return path_; }

 private:
  int error_ = 0;
  const char* syscall_ = "";
  std::string path_;
};

}  // namespace coral
