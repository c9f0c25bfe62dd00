#include "libfuse2/encoding.h"

#include "libfuse2/library.h"
#include "libfuse2/request.h"

namespace coral::libfuse2 {

namespace {

constexpr int kNanosecondBits = 30;
constexpr int64_t kEpochOffset = int64_t{1} << 31;

void UnpackTime(timespec* time) {
  const uint64_t packed =
      static_cast<uint64_t>(time->tv_sec) * 1000 + static_cast<uint64_t>(time->tv_nsec) / 1'000'000;
  time->tv_sec = static_cast<int64_t>(packed >> kNanosecondBits) - kEpochOffset;
  time->tv_nsec = static_cast<int64_t>(packed & ((uint64_t{1} << kNanosecondBits) - 1));
}

}  // namespace

std::string ToUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() + 8);
  for (const char byte : bytes) {
    const auto code = static_cast<unsigned char>(byte);
    if (code < 0x80) {
      text += byte;
    } else {
      text += static_cast<char>(0xc0 | (code >> 6));
      text += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  return text;
}

std::string FromUtf8(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t i = 0; i < text.size(); i++) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      bytes += text[i];
    } else if ((lead & 0xfc) == 0xc0 && i + 1 < text.size()) {
      bytes += static_cast<char>((lead << 6) | (text[++i] & 0x3f));
    } else {
      bytes += '?';
    }
  }
  return bytes;
}

std::string Seal(const char* path, std::initializer_list<int64_t> words) {
  const struct fuse_context& caller = *Functions().fuse_get_context();
  std::string sealed = std::to_string(caller.uid) + ',' + std::to_string(caller.gid) + ',' +
                       std::to_string(caller.pid) + ',' + std::to_string(CurrentOpcode());
  for (const int64_t word : words) sealed += ',' + std::to_string(word);
  sealed += ':';
  if (path != nullptr) sealed += ToUtf8(path);
  return sealed;
}

void Unpack(struct stat* stat) {
  UnpackTime(&stat->st_atim);
  UnpackTime(&stat->st_mtim);
  UnpackTime(&stat->st_ctim);
  stat->st_ino |= static_cast<ino_t>(stat->st_dev) << 32;
  stat->st_dev = 0;
}

}  // namespace coral::libfuse2
