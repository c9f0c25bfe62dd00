// Whether a file is open or mapped by anyone else, told by whether the kernel grants a lease.
//
// A mapping outlives the descriptor it was made with. With passthrough it belongs to the backing
// file, so nothing in this process hears of it: not its writes, and not its end.
#pragma once

#include "io/status.h"

namespace coral::io {

// Whether any open file but this one refers to it; `fd` must be the only one of the caller. A
// filesystem without leases gives an error.
Status HasOthers(int fd, bool* others);

// Whether any open file may write to it; `fd` must be read-only.
Status HasWriters(int fd, bool* writers);

}  // namespace coral::io
