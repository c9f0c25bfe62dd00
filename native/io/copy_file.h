// Copies and hashes whole plain files, in order, at the pace of the background rate.
#pragma once

#include "io/copy_control.h"
#include "io/copy_digest.h"
#include "io/read_back.h"
#include "io/status.h"

namespace coral {

struct CopyResult {
  uint64_t bytes = 0;
  FileDigest::Value digest = {};
};

struct CheckedCopy {
  CopyResult copied;
  FileDigest::Value found = {};  // Of the copy, read back from the medium.
};

// Makes `out` equal to `in`, holes kept, then fdatasync, and reads it back. What `out` held before
// is gone. Within a filesystem that can share blocks nothing is written: the copy has those of
// `in`.
Status CopyFile(int in, int out, ReadBackWhen when, CopyControl& control, CheckedCopy* result);

// Hashes `fd` as it is on the medium: its clean pages are dropped first.
Status DigestFile(int fd, CopyControl& control, CopyResult* result);

// The same for a check that somebody asked for of a file that programs use: paused moves don't stop
// it, and what was in memory of the file is there afterwards, the rest is not.
Status CheckFile(int fd, CopyControl& control, CopyResult* result);

}  // namespace coral
