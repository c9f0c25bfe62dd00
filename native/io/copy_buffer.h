// Page-aligned buffers that are used again: a fresh megabyte costs more in page faults than in
// copying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace coral {

// At least `size` bytes with whatever was in them; returns to the pool when the last reference
// goes. Any thread.
std::shared_ptr<uint8_t> TakeBuffer(size_t size);

}  // namespace coral
