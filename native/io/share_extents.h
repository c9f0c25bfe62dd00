// Lets two files of one filesystem have one copy of the bytes that are equal in both.
//
// What is equal is found by reading; the kernel compares again before it changes anything
// (io/dedupe.h). So no byte of either file changes, whoever reads or writes them meanwhile, and
// neither do their times.
#pragma once

#include <cstdint>

#include "io/copy_control.h"
#include "io/dedupe.h"
#include "io/status.h"

namespace coral {

struct ShareRange {
  uint64_t offset = 0;  // A multiple of kDedupeLimit, so that a file is cut alike each time.
  uint64_t length = 0;
  // Equal runs that are shorter stay as they are: each would be a seek more for who reads `target`.
  uint64_t shortest = 0;
};

// From here on `target` uses the blocks of `source` where both are equal at the same offset. What
// lies at one place already is not read. `*shared` counts the bytes that now take no space of
// their own.
Status ShareExtents(int source, int target, const ShareRange& range, CopyControl& control,
                    uint64_t* shared);

}  // namespace coral
