#include "fuse/read_ahead.h"

#include <algorithm>

namespace coral::fuse {

namespace {

// Where requests are larger the kernel is ahead by itself.
constexpr uint32_t kSmallRequest = 128 << 10;
// How far from where it is expected a request may be: threads answer several at once.
constexpr uint64_t kSlack = 256 << 10;
// In order for so long is no chance.
constexpr uint64_t kInOrder = 64 << 10;
constexpr uint64_t kFirstWindow = 512 << 10;
constexpr uint64_t kLargestWindow = 8 << 20;
// Pushed at once: what a program that stops waits for at most.
constexpr uint64_t kPiece = 256 << 10;
constexpr size_t kStreams = 4;

uint64_t PageUp(uint64_t offset) { return (offset + kPage - 1) & ~(kPage - 1); }

bool IsNear(uint64_t offset, uint64_t low, uint64_t high) {
  return offset + kSlack >= low && offset <= high + kSlack;
}

}  // namespace

void ReadAhead::Start() {
  thread_ = std::thread([this] { Run(); });
}

void ReadAhead::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ReadAhead::Note(const Request& request, const std::shared_ptr<const Served>& served) {
  if (request.header().opcode != kRead || !served->packed) return;
  const auto& read = request.read();
  const auto ino = request.header().nodeid;
  const uint64_t size = served->packed->size();
  if (read.size > kSmallRequest || read.offset >= size) return;
  std::lock_guard lock(mutex_);
  // A request may be older than a change of what serves the inode.
  if (stopping_ || inodes_.Find(request) != served) return;
  auto& file = files_[ino];
  if (file == nullptr) {
    file = std::make_shared<File>();
    file->ino = ino;
    file->served = served;
  }
  if (file->held) return;
  const Piece asked{read.offset, std::min(read.offset + read.size, size)};
  auto& stream = StreamOf(*file, asked);
  stream.used = ++clock_;
  if (!Advance(stream, asked, size) || file->queued) return;
  file->queued = true;
  queue_.push_back(file);
  wake_.notify_one();
}

bool ReadAhead::IsPartOf(const Stream& stream, const Piece& asked, uint64_t pages_end) {
  switch (stream.way) {
    case Stream::Way::kUnknown:
      return IsNear(asked.from, stream.asked.from, stream.asked.to);
    case Stream::Way::kUp:
      return IsNear(asked.from, stream.next, stream.goal);
    case Stream::Way::kDown:
      return IsNear(pages_end - PageUp(asked.to), stream.next, stream.goal);
  }
  return false;
}

// The stream that a request belongs to; a new one, for the longest unused, where it is none's.
ReadAhead::Stream& ReadAhead::StreamOf(File& file, const Piece& asked) {
  const auto pages_end = PageUp(file.served->packed->size());
  for (auto& stream : file.streams) {
    if (IsPartOf(stream, asked, pages_end)) return stream;
  }
  Stream fresh;
  fresh.asked = {asked.from, asked.from};
  fresh.window = kFirstWindow;
  if (file.streams.size() < kStreams) return file.streams.emplace_back(fresh);
  auto oldest = std::min_element(file.streams.begin(), file.streams.end(),
                                 [](const auto& a, const auto& b) { return a.used < b.used; });
  return *oldest = fresh;
}

// Few steps the other way are threads that overtake each other.
bool ReadAhead::KnowsWay(Stream& stream, const Piece& asked, uint64_t pages_end) {
  if (stream.way != Stream::Way::kUnknown) return true;
  auto& [from, to] = stream.asked;
  if (asked.to > to) stream.rising += asked.to - to;
  if (asked.from < from) stream.falling += from - asked.from;
  to = std::max(to, asked.to);
  from = std::min(from, asked.from);
  if (std::max(stream.rising, stream.falling) < kInOrder) return false;
  if (stream.rising >= 2 * stream.falling) {
    stream.way = Stream::Way::kUp;
    stream.next = to;
  } else if (stream.falling >= 2 * stream.rising) {
    stream.way = Stream::Way::kDown;
    stream.next = pages_end - from;
  }
  stream.goal = stream.next;
  return stream.way != Stream::Way::kUnknown;
}

// A request of the stream came. True where more is to be pushed now.
bool ReadAhead::Advance(Stream& stream, const Piece& asked, uint64_t size) {
  const auto pages_end = PageUp(size);
  if (!KnowsWay(stream, asked, pages_end)) return false;
  const bool up = stream.way == Stream::Way::kUp;
  stream.next = std::max(stream.next, up ? asked.to : pages_end - asked.from);
  // Behind the program there is nothing to push.
  stream.cursor = std::max(stream.cursor, PageUp(stream.next));
  stream.goal = std::max(stream.goal, stream.cursor);
  if (stream.goal >= pages_end || stream.goal > stream.next + stream.window / 2) return false;
  const auto start = stream.goal;
  stream.goal = std::min(start + stream.window, pages_end);
  stream.gap = start + (stream.goal - start) / 2 / kPage * kPage;
  stream.window = std::min(2 * stream.window, kLargestWindow);
  return true;
}

void ReadAhead::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const auto file = std::move(queue_.front());
    queue_.pop_front();
    file->queued = false;
    Piece piece;
    if (!NextPiece(*file, &piece)) continue;
    file->queued = true;
    queue_.push_back(file);
    lock.unlock();
    const bool pushed = Push(*file, piece);
    lock.lock();
    if (!pushed) file->streams.clear();
  }
}

bool ReadAhead::NextPiece(File& file, Piece* piece) {
  for (auto& stream : file.streams) {
    if (stream.cursor == stream.gap) stream.cursor += kPage;
    if (stream.cursor >= stream.goal) continue;
    auto to = std::min(stream.cursor + kPiece, stream.goal);
    if (stream.cursor < stream.gap) to = std::min(to, stream.gap);
    const auto size = file.served->packed->size();
    const bool up = stream.way == Stream::Way::kUp;
    *piece = up ? Piece{stream.cursor, std::min(to, size)}
                : Piece{PageUp(size) - to, std::min(PageUp(size) - stream.cursor, size)};
    stream.cursor = to;
    return true;
  }
  return false;
}

// False where the stream is of no use: damage is left to the program to meet.
bool ReadAhead::Push(File& file, const Piece& piece) const {
  ReadResult result;
  Damage damage;
  const auto length = static_cast<uint32_t>(piece.to - piece.from);
  if (!file.served->packed->Read(piece.from, length, &result, &damage).ok()) return false;
  std::lock_guard pushing(file.pushing);
  return !file.ended && device_.Store(file.ino, piece.from, result.spans);
}

void ReadAhead::Hold(uint64_t ino) {
  std::unique_lock lock(mutex_);
  auto& file = files_[ino];
  if (file == nullptr) file = std::make_shared<File>();
  file->held = true;
  const auto held = file;
  lock.unlock();
  End(held);
}

void ReadAhead::Forget(uint64_t ino) {
  std::unique_lock lock(mutex_);
  const auto removed = files_.extract(ino);
  lock.unlock();
  if (removed) End(removed.mapped());
}

void ReadAhead::End(const std::shared_ptr<File>& file) {
  std::lock_guard pushing(file->pushing);
  file->ended = true;
}

}  // namespace coral::fuse
