// The time that the kernel would stamp a file with now. Any thread.
#pragma once

#include <ctime>

namespace coral::io {

timespec CurrentTime();

}  // namespace coral::io
