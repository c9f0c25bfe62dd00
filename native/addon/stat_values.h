// The attributes of a file as numbers: order and count as `Stat` in src/native.ts.
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>

namespace coral::addon {

inline constexpr size_t kStatLength = 14;

inline void FillStat(const struct stat& from, double* out) {
  const double values[kStatLength] = {
      static_cast<double>(from.st_size),        static_cast<double>(from.st_blocks),
      static_cast<double>(from.st_atim.tv_sec), static_cast<double>(from.st_atim.tv_nsec),
      static_cast<double>(from.st_mtim.tv_sec), static_cast<double>(from.st_mtim.tv_nsec),
      static_cast<double>(from.st_ctim.tv_sec), static_cast<double>(from.st_ctim.tv_nsec),
      static_cast<double>(from.st_mode),        static_cast<double>(from.st_dev),
      static_cast<double>(from.st_ino),         static_cast<double>(from.st_nlink),
      static_cast<double>(from.st_uid),         static_cast<double>(from.st_gid)};
  std::copy(values, values + kStatLength, out);
}

}  // namespace coral::addon
