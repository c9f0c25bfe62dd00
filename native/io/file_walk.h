// Goes through a file in order, from where it stands to where it is told, and hashes what is there.
#pragma once

#include <cstdint>
#include <functional>

#include "io/copy_control.h"
#include "io/copy_digest.h"
#include "io/status.h"

namespace coral {

struct FileWalk {
  int fd;
  CopyControl& control;
  FileDigest digest = {};
  uint64_t position = 0;  // Everything before it is done.
};

// Called for each step of data; holes are not reported.
using WalkSink = std::function<Status(uint8_t* data, size_t length, uint64_t offset)>;

// At the pace of the background rate. `*end` becomes smaller where the file turns out to be
// shorter.
Status WalkTo(FileWalk& walk, uint64_t* end, const WalkSink& sink = nullptr);

}  // namespace coral
