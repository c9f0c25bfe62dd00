// libfuse 2, as the npm package fuse-native carries it: opened where the package's own binding
// would not find it, and seen through at the few places where that binding drops what we need.
//
// The binding asks the dynamic linker for libfuse. This addon answers first for three functions
// (interpose.cc) and passes them on. What it changes on the way is in operations.cc.
#pragma once

#define FUSE_USE_VERSION 29
#include <fuse.h>
#include <fuse_lowlevel.h>

#include <functional>
#include <string>

#include "io/status.h"

namespace coral::libfuse2 {

// The functions of libfuse itself.
struct Library {
  decltype(&::fuse_new) fuse_new = nullptr;
  decltype(&::fuse_destroy) fuse_destroy = nullptr;
  decltype(&::fuse_get_context) fuse_get_context = nullptr;
  decltype(&::fuse_session_process_buf) process_buf = nullptr;
};

// Valid after `Open`.
const Library& Functions();

// Called on libfuse's thread after the loop over a mount ended and libfuse let go of it.
void SetOnEnd(std::function<void()> on_end);
void NotifyEnd();

}  // namespace coral::libfuse2
