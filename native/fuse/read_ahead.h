// Reads ahead of programs that go through a packed file in small steps, and pushes what it decoded
// into the kernel's page cache (FUSE_NOTIFY_STORE).
//
// The kernel reads ahead by itself, far enough, wherever its requests are large. They are small for
// a mapping that is advised to be used at random, and where the mount's read-ahead could not be
// raised. While pushed pages are used no request comes, so one page in the middle of what is pushed
// is left out: asking for it shows that the program has come that far.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "fuse/device.h"
#include "fuse/served.h"

namespace coral::fuse {

class ReadAhead {
 public:
  ReadAhead(const Device& device, const ServedInodes& inodes) : device_(device), inodes_(inodes) {}
  ~ReadAhead() { Stop(); }

  void Start();
  // Somebody must go on answering requests until it returns: a push waits for pages that are being
  // read.
  void Stop();

  // Any thread. A request that `served` answers.
  void Note(const Request& request, const std::shared_ptr<const Served>& served);
  // Nothing more is pushed into the inode until Forget. Waits for a push under way, hence for
  // whatever reads the page that it comes to: not for the event loop while the file is open.
  void Hold(uint64_t ino);
  // What serves the inode was just changed in ServedInodes: nothing from before it is pushed once
  // this returns.
  void Forget(uint64_t ino);

 private:
  struct Piece {
    uint64_t from = 0;
    uint64_t to = 0;
  };
  // One program's way through a file, up or down: a large memcpy of the C library may go down.
  // Places of a stream that goes down are counted from the end of the file's last page.
  struct Stream {
    enum class Way { kUnknown, kUp, kDown };
    Way way = Way::kUnknown;
    Piece asked;                // Until the way is known: the range of what was asked for,
    uint64_t rising = 0;        // by how many bytes it grew upwards,
    uint64_t falling = 0;       // and downwards.
    uint64_t next = 0;          // From here on: where the request that follows starts.
    uint64_t cursor = 0;        // Pushed up to here.
    uint64_t goal = 0;          // To be pushed up to here.
    uint64_t gap = UINT64_MAX;  // Start of the page that is left out.
    uint64_t window = 0;        // Bytes that are pushed next.
    uint64_t used = 0;
  };
  struct File {
    uint64_t ino = 0;
    std::shared_ptr<const Served> served;
    std::vector<Stream> streams;  // guarded by mutex_ of ReadAhead
    bool queued = false;          // guarded by mutex_ of ReadAhead
    bool held = false;            // guarded by mutex_ of ReadAhead
    std::mutex pushing;
    bool ended = false;  // guarded by pushing
  };

  static bool IsPartOf(const Stream& stream, const Piece& asked, uint64_t pages_end);
  static Stream& StreamOf(File& file, const Piece& asked);
  static bool KnowsWay(Stream& stream, const Piece& asked, uint64_t pages_end);
  static bool Advance(Stream& stream, const Piece& asked, uint64_t size);
  static bool NextPiece(File& file, Piece* piece);
  void Run();
  bool Push(File& file, const Piece& piece) const;
  void End(const std::shared_ptr<File>& file);

  const Device& device_;
  const ServedInodes& inodes_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_map<uint64_t, std::shared_ptr<File>> files_;  // guarded by mutex_
  std::deque<std::shared_ptr<File>> queue_;                    // guarded by mutex_
  uint64_t clock_ = 0;                                         // guarded by mutex_
  bool stopping_ = false;                                      // guarded by mutex_
  std::thread thread_;
};

}  // namespace coral::fuse
