#include "fuse/notifier.h"

#include <cstring>

namespace coral::fuse {

void Notifier::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Notifier::Stop() {
  Quiesce();
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Notifier::Quiesce() {
  std::deque<Message> dropped;
  std::lock_guard lock(mutex_);
  stopping_ = true;
  dropped.swap(queue_);
  for (const Message& message : dropped) message.Done();
  return !sending_;
}

void Notifier::ExpireAttributes(uint64_t ino) const {
  const NotifyInvalidateInode out{ino, -1, 0};
  device_.Notify(kNotifyInvalidateInode, {reinterpret_cast<const char*>(&out), sizeof(out)});
}

void Notifier::InvalidateInode(uint64_t ino, int64_t offset, int64_t length,
                               std::function<void()> sent) {
  const NotifyInvalidateInode out{ino, offset, length};
  Message message{kNotifyInvalidateInode, std::vector<char>(sizeof(out)), std::move(sent)};
  memcpy(message.body.data(), &out, sizeof(out));
  Queue(std::move(message));
}

void Notifier::InvalidateEntry(uint64_t parent, std::string_view name) {
  const NotifyInvalidateEntry out{parent, static_cast<uint32_t>(name.size()), 0};
  Message message{kNotifyInvalidateEntry, std::vector<char>(sizeof(out) + name.size() + 1), {}};
  memcpy(message.body.data(), &out, sizeof(out));
  memcpy(message.body.data() + sizeof(out), name.data(), name.size());
  Queue(std::move(message));
}

void Notifier::Queue(Message message) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return message.Done();
    queue_.push_back(std::move(message));
  }
  wake_.notify_one();
}

void Notifier::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const Message message = std::move(queue_.front());
    queue_.pop_front();
    sending_ = true;
    lock.unlock();
    device_.Notify(message.code, message.body);
    message.Done();
    lock.lock();
    sending_ = false;
  }
}

}  // namespace coral::fuse
