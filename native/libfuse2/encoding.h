// How names, times and the circumstances of a call pass through a binding that carries text as
// UTF-8 and times in milliseconds. The other half is src/fuse/fuse-native/encoding.ts.
#pragma once

#include <sys/stat.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace coral::libfuse2 {

// Each byte becomes one character, so that a name in any encoding survives.
std::string ToUtf8(std::string_view bytes);
// The reverse. What is no character below 256 can't come from us and becomes '?'.
std::string FromUtf8(std::string_view text);

// `path` with who asks, for which opcode, and further words before it:
// `uid,gid,pid,opcode,...:path`. A path that libfuse does not know any more (null) is empty.
std::string Seal(const char* path, std::initializer_list<int64_t> words = {});

// Times come as (seconds + 2^31) * 2^30 + nanoseconds, which the binding took for milliseconds; the
// upper half of the inode number comes as the device.
void Unpack(struct stat* stat);

}  // namespace coral::libfuse2
