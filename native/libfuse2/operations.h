// The callbacks that libfuse gets instead of those of fuse-native's binding: each calls the one it
// stands for, with what that would drop sealed into the path.
#pragma once

#include <cstddef>

struct fuse_operations;

namespace coral::libfuse2 {

// `size` as given to fuse_new. One mount per process.
fuse_operations WrapOperations(const fuse_operations* inner, size_t size);

}  // namespace coral::libfuse2
