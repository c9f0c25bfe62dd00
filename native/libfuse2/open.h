// What the border needs of this folder. Apart from library.h, because libfuse's headers put a
// `struct fuse` into the global namespace.
#pragma once

#include <functional>
#include <string>

#include "io/status.h"

namespace coral::libfuse2 {

// Loads libfuse 2 from `library` and puts this addon's functions in front of it. Once per process,
// before the binding of fuse-native is loaded. `*problem` is the linker's message on failure.
Status Open(const std::string& library, std::string* problem);

// Called on libfuse's thread when a mount ended.
void SetOnEnd(std::function<void()> on_end);

}  // namespace coral::libfuse2
