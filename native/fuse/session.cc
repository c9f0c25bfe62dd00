#include "fuse/session.h"

#include <poll.h>

namespace coral::fuse {

namespace {
constexpr int kQuietPollMs = 5;
}  // namespace

Session::Session(UniqueFd fd, SessionEvents events)
    : device_(std::move(fd)),
      gate_(device_.fd()),
      damaged_(std::move(events.damage_met)),
      replies_(device_, damaged_),
      read_ahead_(device_, inodes_),
      inbox_(std::move(events.inbox_filled)),
      threads_({device_, buffers_, inodes_, replies_, read_ahead_, gate_, inbox_}),
      guard_(device_, [this] { threads_.Rescue(); }),
      notifier_(device_) {}

void Session::Start() {
  threads_.Start();
  guard_.Start();
  notifier_.Start();
  read_ahead_.Start();
}

void Session::Stop() {
  // First: the guard and the threads answer what it may be waiting for.
  read_ahead_.Stop();
  guard_.Stop();
  threads_.Stop();
  AnswerUntilQuiet();
  notifier_.Stop();
  parked_.clear();
  inodes_.Clear();
  device_.Close();
}

Session::Taken Session::HandOn(Request* request) {
  auto served = inodes_.Find(*request);
  if (!served) return Taken::kForJavaScript;
  if (replies_.AnswerAtOnce(*request, *served)) return Taken::kAnswered;
  threads_.Submit(std::move(*request), std::move(served));
  *request = {};
  return Taken::kHandedOn;
}

void Session::Park(Request request) {
  const auto unique = request.header().unique;
  parked_.insert_or_assign(unique, std::move(request));
}

void Session::Retry(uint64_t unique) {
  auto parked = parked_.extract(unique);
  if (!parked) return;
  pending_.erase(unique);
  parked.mapped().retries++;
  if (HandOn(&parked.mapped()) == Taken::kForJavaScript) device_.ReplyError(unique, EIO);
}

void Session::Respond(uint64_t unique, int error, const void* payload, size_t length) {
  parked_.erase(unique);
  pending_.erase(unique);
  if (error != 0) return device_.ReplyError(unique, error);
  device_.Reply(unique, payload, length);
}

void Session::RespondInPlace(uint64_t unique, char* message, size_t length) {
  parked_.erase(unique);
  device_.ReplyInPlace(unique, message, length);
}

void Session::Serve(uint64_t ino, std::shared_ptr<const Served> served) {
  inodes_.Set(ino, std::move(served));
  read_ahead_.Forget(ino);
  guard_.SetWatching(true);
}

void Session::Unserve(uint64_t ino) {
  inodes_.Remove(ino);
  read_ahead_.Forget(ino);
  guard_.SetWatching(!inodes_.empty());
}

void Session::FailUnanswered() {
  for (const uint64_t unique : pending_) device_.ReplyError(unique, EIO);
  for (const Request& request : inbox_.Take()) {
    if (request.wants_reply()) device_.ReplyError(request.header().unique, EIO);
  }
  for (const auto& [request, damage] : damaged_.Take()) {
    device_.ReplyError(request.header().unique, EIO);
  }
  pending_.clear();
}

// An invalidation being sent may wait in the kernel for replies to requests, in a sleep that no
// signal ends: without these answers neither it nor the process could end.
void Session::AnswerUntilQuiet() {
  if (notifier_.Quiesce()) return;
  FailUnanswered();
  while (!notifier_.Quiesce()) {
    Request request;
    int error = 0;
    const auto received = device_.Receive(&request, buffers_, &error);
    if (received == Device::Received::kEnded) return;
    if (received == Device::Received::kNothing) {
      pollfd wait{device_.fd(), POLLIN, 0};
      poll(&wait, 1, kQuietPollMs);
    } else if (const auto served = inodes_.Find(request)) {
      replies_.Answer(request, *served);
      FailUnanswered();
    } else if (request.wants_reply()) {
      device_.ReplyError(request.header().unique, EIO);
    }
  }
}

}  // namespace coral::fuse
