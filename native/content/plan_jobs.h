// Jobs that go through a whole packed file in order: check it, or write it out as a plain one.
#pragma once

#include <cstdint>
#include <vector>

#include "content/plan.h"
#include "io/copy_control.h"
#include "io/copy_file.h"

namespace coral {

// Decodes everything from the medium; goes on behind bad chunks. `digest` goes on with the bytes of
// the good ones, `bad` are the others, ascending.
Status CheckPlan(Plan& plan, CopyControl& control, FileDigest& digest, std::vector<uint32_t>& bad);

// Puts the whole file into `bytes`, which have room for plan.size(). `from_medium`: nothing may
// come from memory. EIO where a chunk is damaged.
Status ReadAll(Plan& plan, bool from_medium, CopyControl& control, uint8_t* bytes);

// Makes `fd` equal to the file, runs of zeros as holes, then fdatasync, and reads it back. What
// `fd` held before is gone. Space is taken first: ENOSPC comes before the work. EIO where a chunk
// is damaged.
Status Hydrate(Plan& plan, int fd, ReadBackWhen when, CopyControl& control, CheckedCopy* result);

}  // namespace coral
