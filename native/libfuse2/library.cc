#include "libfuse2/library.h"

#include <dlfcn.h>

#include <mutex>

#include "libfuse2/open.h"

namespace coral::libfuse2 {

namespace {

Library library;
std::mutex end_mutex;
std::function<void()> on_end;  // guarded by end_mutex

// Makes this addon's symbols come first for whatever is loaded from now on.
bool PromoteSelf() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&PromoteSelf), &self) == 0) return false;
  return dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) != nullptr;
}

// libfuse has older functions of the same names.
template <typename Function>
bool Find(void* handle, const char* name, const char* version, Function* function) {
  *function = reinterpret_cast<Function>(dlvsym(handle, name, version));
  return *function != nullptr;
}

}  // namespace

const Library& Functions() { return library; }

Status Open(const std::string& path, std::string* problem) {
  if (library.fuse_new != nullptr) return Status::Ok();
  void* handle = PromoteSelf() ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  Library found;
  if (handle == nullptr || !Find(handle, "fuse_new", "FUSE_2.6", &found.fuse_new) ||
      !Find(handle, "fuse_destroy", "FUSE_2.2", &found.fuse_destroy) ||
      !Find(handle, "fuse_get_context", "FUSE_2.8", &found.fuse_get_context) ||
      !Find(handle, "fuse_session_process_buf", "FUSE_2.9", &found.process_buf)) {
    const char* message = dlerror();
    *problem = message != nullptr ? message : "the dynamic linker gives no reason";
    return Status::Error(ENOENT, "dlopen", path);
  }
  library = found;
  return Status::Ok();
}

void SetOnEnd(std::function<void()> callback) {
  std::lock_guard lock(end_mutex);
  on_end = std::move(callback);
}

void NotifyEnd() {
  std::lock_guard lock(end_mutex);
  if (on_end) on_end();
}

}  // namespace coral::libfuse2
