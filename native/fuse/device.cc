#include "fuse/device.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace coral::fuse {

namespace {

// The kernel takes errnos below 512 only; a request answered with another one would wait for ever.
constexpr int kMaxErrno = 511;

// Writes header and payload in one call; returns 0 or an errno.
int WriteMessage(int fd, OutHeader header, std::span<const iovec> payload) {
  constexpr size_t kInline = 8;
  std::array<iovec, kInline> few;
  std::vector<iovec> many;
  std::span<iovec> parts(few.data(), std::min(payload.size() + 1, kInline));
  if (payload.size() >= kInline) {
    many.resize(payload.size() + 1);
    parts = many;
  }
  size_t length = sizeof(header);
  for (const auto& part : payload) length += part.iov_len;
  header.len = static_cast<uint32_t>(length);
  parts[0] = {&header, sizeof(header)};
  std::copy(payload.begin(), payload.end(), parts.begin() + 1);
  for (;;) {
    if (writev(fd, parts.data(), static_cast<int>(parts.size())) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

// The same for what lies in one piece.
int WriteOnce(int fd, const void* message, size_t length) {
  for (;;) {
    if (write(fd, message, length) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

bool IsOver(int error) { return error == ENODEV || error == ECONNABORTED; }

}  // namespace

Device::Device(UniqueFd fd) : fd_(std::move(fd)) {
  fcntl(fd_.get(), F_SETFL, fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
  fcntl(fd_.get(), F_SETFD, FD_CLOEXEC);
}

Device::Received Device::Receive(Request* into, BufferPool& pool, int* error) {
  if (!into->buffer || into->buffer.get_deleter().pool == nullptr) into->buffer = pool.Take();
  for (;;) {
    const ssize_t got = read(fd_.get(), into->buffer.get(), kRequestCapacity);
    if (got >= static_cast<ssize_t>(sizeof(InHeader))) {
      into->length = static_cast<size_t>(got);
      into->retries = 0;
      received_.fetch_add(1, std::memory_order_relaxed);
      return Received::kRequest;
    }
    *error = got < 0 ? errno : EIO;
    if (*error == EAGAIN) return Received::kNothing;
    // ENOENT: the request was interrupted before it could be handed out.
    if (*error == EINTR || *error == ENOENT) continue;
    if (IsOver(*error)) *error = 0;
    return Received::kEnded;
  }
}

bool Device::Readable() const {
  pollfd look{fd_.get(), POLLIN, 0};
  return poll(&look, 1, 0) > 0;
}

void Device::Reply(uint64_t unique, std::span<const iovec> payload) const {
  Answered(unique, WriteMessage(fd_.get(), {0, 0, unique}, payload));
}

void Device::Answered(uint64_t unique, int failed) const {
  if (failed == 0 || failed == ENOENT || IsOver(failed)) return;
  ReplyError(unique, EIO);
}

void Device::Reply(uint64_t unique, const void* payload, size_t length) const {
  const iovec part{const_cast<void*>(payload), length};
  Reply(unique, std::span(&part, length > 0 ? 1 : 0));
}

void Device::ReplyInPlace(uint64_t unique, char* message, size_t length) const {
  const OutHeader header{static_cast<uint32_t>(sizeof(OutHeader) + length), 0, unique};
  memcpy(message, &header, sizeof(header));
  Answered(unique, WriteOnce(fd_.get(), message, header.len));
}

void Device::ReplyError(uint64_t unique, int error) const {
  if (error < 0 || error > kMaxErrno) error = EIO;
  const OutHeader header{sizeof(OutHeader), -error, unique};
  WriteOnce(fd_.get(), &header, sizeof(header));
}

void Device::Notify(NotifyCode code, std::span<const char> message) const {
  const iovec part{const_cast<char*>(message.data()), message.size()};
  // Fails with ENOENT where the kernel does not know the inode or name: nothing to invalidate then.
  WriteMessage(fd_.get(), {0, code, 0}, std::span(&part, 1));
}

bool Device::Store(uint64_t ino, uint64_t offset, std::span<const iovec> data) const {
  NotifyStore out{ino, offset, 0, 0};
  std::vector<iovec> parts{{&out, sizeof(out)}};
  for (const auto& part : data) {
    out.size += static_cast<uint32_t>(part.iov_len);
    parts.push_back(part);
  }
  if (parts.size() >= IOV_MAX) return false;
  return WriteMessage(fd_.get(), {0, kNotifyStore, 0}, parts) == 0;
}

Status Device::BackingOpen(int fd, uint32_t* backing_id) const {
  BackingMap map{fd, 0, 0};
  const int id = ioctl(fd_.get(), kIocBackingOpen, &map);
  if (id < 0) return Status::FromErrno("FUSE_DEV_IOC_BACKING_OPEN");
  *backing_id = static_cast<uint32_t>(id);
  return Status::Ok();
}

Status Device::BackingClose(uint32_t backing_id) const {
  if (ioctl(fd_.get(), kIocBackingClose, &backing_id) == 0) return Status::Ok();
  return Status::FromErrno("FUSE_DEV_IOC_BACKING_CLOSE");
}

}  // namespace coral::fuse
