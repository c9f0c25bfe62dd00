#include "addon/session.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "addon/addon.h"
#include "addon/args.h"

namespace coral::addon {

namespace {

// As in src/native.ts.
constexpr int64_t kPending = -100'000;
constexpr int64_t kNoReply = -100'001;

// Requests per turn of the event loop, so that timers and other descriptors get theirs.
constexpr int kTurn = 64;
constexpr int kSleepMs = 1;
// Every program at the mount waits for this thread: of many, the one it just answered would go
// first. Only root may; without it nothing is lost but speed.
constexpr int kNice = -10;
// The kernel's largest control request is a BATCH_FORGET that fills the buffer it is read into.
constexpr size_t kRequestLength = fuse::kRequestCapacity;
constexpr size_t kReplyLength = fuse::kMaxTransfer + fuse::kPage;

Napi::Value After(Napi::Buffer<char> buffer, size_t start) {
  return buffer.Get("subarray")
      .As<Napi::Function>()
      .Call(buffer, {Napi::Number::New(buffer.Env(), static_cast<double>(start))});
}

}  // namespace

Napi::Function SessionWrap::Class(Napi::Env env) {
  return DefineClass(
      env, "FuseSession",
      {InstanceMethod<&SessionWrap::Start>("start"), InstanceMethod<&SessionWrap::Stop>("stop"),
       InstanceMethod<&SessionWrap::Next>("next"), InstanceMethod<&SessionWrap::Respond>("respond"),
       InstanceMethod<&SessionWrap::Retry>("retry"),
       InstanceMethod<&SessionWrap::BackingOpen>("backingOpen"),
       InstanceMethod<&SessionWrap::BackingClose>("backingClose"),
       InstanceMethod<&SessionWrap::ServePlain>("servePlain"),
       InstanceMethod<&SessionWrap::ServePacked>("servePacked"),
       InstanceMethod<&SessionWrap::Unserve>("unserve"),
       InstanceMethod<&SessionWrap::InvalidateInode>("invalidateInode"),
       InstanceMethod<&SessionWrap::WriteBack>("writeBack"),
       InstanceMethod<&SessionWrap::EndReadAhead>("endReadAhead"),
       InstanceMethod<&SessionWrap::ExpireAccessTime>("expireAccessTime"),
       InstanceMethod<&SessionWrap::InvalidateEntry>("invalidateEntry")});
}

SessionWrap::SessionWrap(const Napi::CallbackInfo& info)
    : ObjectWrap(info),
      tasks_(TaskQueue::For(info.Env())),
      side_(std::make_shared<LoopSide>(LoopSide{this})),
      context_(info.Env(), "coral-reef session") {
  Args args(info);
  const int fd = args.Int(0);
  if (!args.ok()) return;
  if (!info[1].IsObject() || !info[1].As<Napi::Object>().Get("onRequests").IsFunction()) {
    Napi::TypeError::New(info.Env(), "Argument 2 must have onRequests")
        .ThrowAsJavaScriptException();
    return;
  }
  if (fcntl(fd, F_GETFD) < 0) {
    ThrowIfError(info.Env(), Status::FromErrno("createSession"));
    return;
  }
  const auto callbacks = info[1].As<Napi::Object>();
  callbacks_ = Napi::Persistent(callbacks);
  on_requests_ = Napi::Persistent(callbacks.Get("onRequests").As<Napi::Function>());
  const auto request = Napi::Buffer<char>::New(info.Env(), kRequestLength);
  const auto message = Napi::Buffer<char>::New(info.Env(), sizeof(fuse::OutHeader) + kReplyLength);
  request_ = Napi::Persistent(request);
  reply_message_ = Napi::Persistent(message);
  request_data_ = request.Data();
  message_ = message.Data();
  Value().Set("fd", Napi::Number::New(info.Env(), fd));
  Value().Set("request", request);
  Value().Set("reply", After(message, sizeof(fuse::OutHeader)));
  session_ = std::make_shared<fuse::Session>(UniqueFd(fd), Events());
}

SessionWrap::~SessionWrap() {
  side_->wrap = nullptr;
  if (closer_.joinable()) closer_.join();
}

fuse::SessionEvents SessionWrap::Events() {
  return {[tasks = tasks_, side = side_] {
            tasks->Post([side](Napi::Env) {
              if (side->wrap != nullptr) side->wrap->DrainInbox();
            });
          },
          [tasks = tasks_, side = side_] {
            tasks->Post([side](Napi::Env) {
              if (side->wrap != nullptr) side->wrap->TakeDamaged();
            });
          }};
}

void SessionWrap::Start(const Napi::CallbackInfo& info) {
  if (started_ || stopped_) return;
  napi_get_uv_event_loop(info.Env(), &loop_);
  poll_ = new uv_poll_t;
  if (const int failed = uv_poll_init(loop_, poll_, session_->poll_fd()); failed != 0) {
    delete std::exchange(poll_, nullptr);
    ThrowIfError(info.Env(), Status::Error(-failed, "uv_poll_init"));
    return;
  }
  started_ = true;
  poll_->data = this;
  session_->Start();
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
  uv_poll_start(poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
    static_cast<SessionWrap*>(poll->data)->OnReadable();
  });
  // Kept alive while it is polled, and joined when the environment ends before stop().
  Ref();
  napi_add_env_cleanup_hook(info.Env(), TearDownHook, this);
}

void SessionWrap::OnReadable() {
  const Napi::HandleScope scope(Env());
  for (auto& request : session_->TakeInbox()) backlog_.push_back(std::move(request));
  Serve(kTurn);
  if (over_) OnEnd(end_error_);
}

void SessionWrap::DrainInbox() {
  if (stopped_) return;
  const Napi::HandleScope scope(Env());
  for (auto& request : session_->TakeInbox()) backlog_.push_back(std::move(request));
  Serve(0);
}

void SessionWrap::Serve(int reads) {
  reads_ = reads;
  linger_ = false;
  for (size_t length = Advance(); length > 0; length = Advance()) {
    if (CallOnRequests(length)) return;
  }
}

size_t SessionWrap::Advance() {
  while (!stopped_ && !ended_ && TakeNext(&taken_)) {
    const auto taken = session_->HandOn(&taken_);
    if (taken == fuse::Session::Taken::kForJavaScript) return Show(&taken_);
    linger_ = taken == fuse::Session::Taken::kAnswered;
  }
  return 0;
}

bool SessionWrap::TakeNext(fuse::Request* request) {
  if (!backlog_.empty()) {
    *request = std::move(backlog_.front());
    backlog_.pop_front();
    return true;
  }
  if (reads_ == 0 || over_) return false;
  reads_--;
  const auto received = Receive(request, &end_error_);
  over_ = received == fuse::Device::Received::kEnded;
  return received == fuse::Device::Received::kRequest;
}

// After an answer it waits a little: the next request often follows at once. After a request for
// the data threads it does not, since they read on; nor after one that is answered later, whose
// promise waits for this turn to end.
fuse::Device::Received SessionWrap::Receive(fuse::Request* request, int* error) {
  auto received = session_->Receive(request, error);
  if (received != fuse::Device::Received::kNothing) {
    follower_.Busy();
    return received;
  }
  if (!linger_) return received;
  const auto look = [&] {
    received = session_->Receive(request, error);
    return received != fuse::Device::Received::kNothing;
  };
  if (!busy_poll_.Try(look) && Sleep()) look();
  if (received == fuse::Device::Received::kRequest) follower_.Waited(request->header().pid);
  return received;
}

// Sleeps within the turn, for that costs less than a turn of the event loop; true where something
// is ready. Not for long: what the answers left to do runs when the turn ends.
bool SessionWrap::Sleep() {
  uv_update_time(loop_);
  const int timeout = uv_backend_timeout(loop_);
  pollfd ready{uv_backend_fd(loop_), POLLIN, 0};
  const int limit = timeout < 0 ? kSleepMs : std::min(timeout, kSleepMs);
  return limit > 0 && poll(&ready, 1, limit) > 0;
}

size_t SessionWrap::Show(fuse::Request* request) {
  current_ = request->header().unique;
  wants_reply_ = request->wants_reply();
  answered_ = false;
  const size_t length = request->visible_length();
  memcpy(request_data_, request->buffer.get(), length);
  if (request->is_data()) session_->Park(std::exchange(*request, {}));
  return length;
}

// JavaScript answers the request it was shown and takes the next one by `next`, for as long as
// there are any: one call of a function from here costs more than most answers. False where it
// threw: a fault of the program. The requester gets EIO, the process hears of it.
bool SessionWrap::CallOnRequests(size_t length) {
  const Napi::CallbackScope scope(Env(), context_);
  on_requests_.Call(callbacks_.Value(), {Napi::Number::New(Env(), static_cast<double>(length))});
  if (!Env().IsExceptionPending()) return true;
  const auto error = Env().GetAndClearPendingException();
  Finish(-EIO);
  napi_fatal_exception(Env(), error.Value());
  return false;
}

Napi::Value SessionWrap::Next(const Napi::CallbackInfo& info) {
  Finish(info[0].IsNumber() ? info[0].As<Napi::Number>().Int64Value() : -EIO);
  return Napi::Number::New(info.Env(), static_cast<double>(Advance()));
}

void SessionWrap::Finish(int64_t result) {
  const uint64_t unique = std::exchange(current_, 0);
  linger_ = result != kPending;
  if (unique == 0 || stopped_ || answered_ || result == kNoReply || !wants_reply_) return;
  if (result == kPending) return session_->SetPending(unique);
  if (result > static_cast<int64_t>(kReplyLength)) result = -EIO;
  if (result < 0) return session_->Respond(unique, static_cast<int>(-result), nullptr, 0);
  session_->RespondInPlace(unique, message_, static_cast<size_t>(result));
}

void SessionWrap::OnEnd(int error) {
  if (ended_) return;
  ended_ = true;
  StopPolling();
  const Napi::CallbackScope scope(Env(), context_);
  const auto callback = callbacks_.Value().Get("onEnd");
  if (!callback.IsFunction()) return;
  callback.As<Napi::Function>().Call(callbacks_.Value(), {Napi::Number::New(Env(), error)});
  if (!Env().IsExceptionPending()) return;
  napi_fatal_exception(Env(), Env().GetAndClearPendingException().Value());
}

void SessionWrap::TakeDamaged() {
  if (stopped_) return;
  for (auto& read : session_->TakeDamaged()) OnDamage(std::move(read));
}

// JavaScript answers it, or has it tried again.
void SessionWrap::OnDamage(fuse::DamagedRead read) {
  const Napi::HandleScope scope(Env());
  const auto [unique, ino] = std::pair(read.request.header().unique, read.request.header().nodeid);
  const auto callback = callbacks_.Value().Get("onDamage");
  if (!callback.IsFunction()) return session_->Respond(unique, EIO, nullptr, 0);
  session_->Park(std::move(read.request));
  session_->SetPending(unique);
  callback.As<Napi::Function>().Call(
      callbacks_.Value(),
      {Napi::Number::New(Env(), static_cast<double>(unique)),
       Napi::Number::New(Env(), static_cast<double>(ino)),
       Napi::Number::New(Env(), read.damage.chunk), Napi::String::New(Env(), read.damage.pack_path),
       Napi::String::New(Env(), read.damage.reason)});
  if (!Env().IsExceptionPending()) return;
  session_->Respond(unique, EIO, nullptr, 0);
  napi_fatal_exception(Env(), Env().GetAndClearPendingException().Value());
}

void SessionWrap::StopPolling() {
  if (poll_ == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(poll_, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
}

Napi::Value SessionWrap::Stop(const Napi::CallbackInfo& info) {
  if (!stopping_.IsEmpty()) return stopping_.Value();
  stopped_ = true;
  StopPolling();
  auto deferred = std::make_shared<Napi::Promise::Deferred>(info.Env());
  stopping_ = Napi::Persistent(deferred->Promise().As<Napi::Object>());
  tasks_->Hold(info.Env());
  closer_ = std::thread([session = session_, tasks = tasks_, side = side_, deferred] {
    session->Stop();
    tasks->Post([=](Napi::Env env) {
      const Napi::HandleScope scope(env);
      deferred->Resolve(env.Undefined());
      tasks->Release(env);
      if (side->wrap == nullptr || !side->wrap->started_) return;
      napi_remove_env_cleanup_hook(env, TearDownHook, side->wrap);
      side->wrap->Unref();
    });
  });
  return stopping_.Value();
}

void SessionWrap::TearDownHook(void* wrap) { static_cast<SessionWrap*>(wrap)->TearDown(); }

void SessionWrap::TearDown() {
  side_->wrap = nullptr;
  stopped_ = true;
  StopPolling();
  if (closer_.joinable()) {
    closer_.join();
  } else {
    session_->Stop();
  }
}

void RegisterSession(Napi::Env env, Napi::Object exports) {
  exports.Set("createSession", Napi::Function::New(
                                   env,
                                   [constructor = NewClass(SessionWrap::Class(env))](
                                       const Napi::CallbackInfo& info) -> Napi::Value {
                                     return constructor->New({info[0], info[1]});
                                   },
                                   "createSession"));
}

}  // namespace coral::addon
