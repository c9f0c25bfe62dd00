#include "fuse/data_threads.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>

namespace coral::fuse {

namespace {

// How long a leader waits for the next request. Programs that read in a loop come back much sooner.
constexpr timespec kLinger{0, 2'000'000};
// The same while the event loop is known to be busy: nobody else would notice for a while.
constexpr timespec kRescueLinger{0, 50'000'000};

unsigned ThreadCount() { return std::clamp(std::thread::hardware_concurrency(), 4u, 16u); }

}  // namespace

DataThreads::DataThreads(Context context)
    : context_(context), nudge_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

void DataThreads::Start() {
  for (unsigned i = 0; i < ThreadCount(); i++) threads_.emplace_back([this] { Run(); });
}

void DataThreads::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  eventfd_write(nudge_.get(), 1);
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void DataThreads::Submit(Request request, std::shared_ptr<const Served> served) {
  std::lock_guard lock(mutex_);
  queue_.push_back({std::move(request), std::move(served)});
  if (idle_ > 0) {
    wake_.notify_one();
  } else if (leading_) {
    eventfd_write(nudge_.get(), 1);
  }
}

void DataThreads::Rescue() {
  std::lock_guard lock(mutex_);
  if (leading_ || ended_) return;
  lead_wanted_ = rescue_wanted_ = true;
  wake_.notify_one();
}

void DataThreads::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    idle_++;
    wake_.wait(lock, [this] { return stopping_ || lead_wanted_ || !queue_.empty(); });
    idle_--;
    if (!stopping_ && lead_wanted_) {
      lead_wanted_ = false;
      leading_ = true;
      context_.gate.Close();
      const bool rescue = std::exchange(rescue_wanted_, false);
      lock.unlock();
      Lead(rescue);
    } else if (!queue_.empty()) {
      Work work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      context_.read_ahead.Note(work.request, work.served);
      context_.replies.Answer(work.request, *work.served);
      work = {};
      if (TryLead()) Lead(false);
    } else if (stopping_) {
      return;
    } else {
      continue;
    }
    lock.lock();
  }
}

// Called with leading_ set. Returns after another thread or the event loop took over.
void DataThreads::Lead(bool rescue) {
  Request request;
  uint64_t turns = context_.inbox.turns();
  bool forwarded = false;
  while (!stopping_) {
    const Step step = LeadOnce(&request);
    if (step == Step::kYielded) return;
    if (step == Step::kEnded) return StopLeading();
    if (rescue && context_.inbox.turns() != turns) rescue = false;
    if (step == Step::kForwarded) forwarded = true;
    if (step == Step::kServed) forwarded = false;
    if (step != Step::kNothing) continue;
    // The event loop is awake for what was forwarded: let it read what follows, saving a hop.
    if (forwarded && !rescue) return StopLeading();
    if (!AwaitMore(rescue, turns)) break;
  }
  StopLeading();
}

DataThreads::Step DataThreads::LeadOnce(Request* request) {
  int error = 0;
  const auto received = context_.device.Receive(request, context_.buffers, &error);
  if (received == Device::Received::kNothing) return Step::kNothing;
  if (received == Device::Received::kEnded) {
    // The event loop finds out by itself once the gate is open.
    std::lock_guard lock(mutex_);
    ended_ = true;
    return Step::kEnded;
  }
  const auto served = context_.inodes.Find(*request);
  if (!served) {
    context_.inbox.Put(std::move(*request));
    *request = {};
    return Step::kForwarded;
  }
  if (context_.replies.AnswerAtOnce(*request, *served)) return Step::kServed;
  size_t done = 0;
  if (context_.replies.AnswerFromCache(*request, *served, &done)) return Step::kServed;
  PassLead();
  context_.read_ahead.Note(*request, served);
  context_.replies.Answer(*request, *served, done);
  return TryLead() ? Step::kServed : Step::kYielded;
}

// False where the leader should stop: nothing came, or there is other work for it.
bool DataThreads::AwaitMore(bool rescue, uint64_t turns) {
  pollfd watched[] = {{context_.device.fd(), POLLIN, 0}, {nudge_.get(), POLLIN, 0}};
  const timespec limit = rescue && context_.inbox.turns() == turns ? kRescueLinger : kLinger;
  if (ppoll(watched, 2, &limit, nullptr) <= 0) return false;
  if (watched[1].revents == 0) return true;
  eventfd_t ignored;
  eventfd_read(nudge_.get(), &ignored);
  return false;
}

bool DataThreads::MayLead() const {
  return !leading_ && !lead_wanted_ && !ended_ && !stopping_ && queue_.empty();
}

bool DataThreads::TryLead() {
  if (context_.inodes.empty()) return false;
  std::lock_guard lock(mutex_);
  if (!MayLead()) return false;
  leading_ = true;
  context_.gate.Close();
  return true;
}

void DataThreads::StopLeading() {
  std::lock_guard lock(mutex_);
  leading_ = false;
  context_.gate.Open();
}

// Before a request that may wait for a medium: an idle thread leads on where more is waiting, else
// the event loop watches.
void DataThreads::PassLead() {
  const bool more = context_.device.Readable();
  std::lock_guard lock(mutex_);
  leading_ = false;
  if (more && idle_ > 0 && !stopping_) {
    lead_wanted_ = true;
    wake_.notify_one();
  } else {
    context_.gate.Open();
  }
}

}  // namespace coral::fuse
