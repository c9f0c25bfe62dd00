// The FuseSession object of JavaScript: joins a native session to the event loop.
#pragma once

#include <napi.h>
#include <uv.h>

#include <deque>
#include <memory>
#include <thread>

#include "addon/async.h"
#include "fuse/busy_poll.h"
#include "fuse/cpu_follower.h"
#include "fuse/session.h"

namespace coral::addon {

// Offers createSession.
void RegisterSession(Napi::Env env, Napi::Object exports);

// JavaScript thread only, except where threads come in through `LoopSide`.
class SessionWrap : public Napi::ObjectWrap<SessionWrap> {
 public:
  static Napi::Function Class(Napi::Env env);
  explicit SessionWrap(const Napi::CallbackInfo& info);
  ~SessionWrap() override;

 private:
  // What native threads may know of this object: it can be gone when their call arrives.
  struct LoopSide {
    SessionWrap* wrap;
  };

  void Start(const Napi::CallbackInfo& info);
  Napi::Value Stop(const Napi::CallbackInfo& info);
  Napi::Value Next(const Napi::CallbackInfo& info);
  void Respond(const Napi::CallbackInfo& info);
  void Retry(const Napi::CallbackInfo& info);
  Napi::Value BackingOpen(const Napi::CallbackInfo& info);
  void BackingClose(const Napi::CallbackInfo& info);
  void ServePlain(const Napi::CallbackInfo& info);
  void ServePacked(const Napi::CallbackInfo& info);
  void Unserve(const Napi::CallbackInfo& info);
  void InvalidateInode(const Napi::CallbackInfo& info);
  Napi::Value WriteBack(const Napi::CallbackInfo& info);
  Napi::Value EndReadAhead(const Napi::CallbackInfo& info);
  void ExpireAccessTime(const Napi::CallbackInfo& info);
  void InvalidateEntry(const Napi::CallbackInfo& info);

  fuse::SessionEvents Events();
  void OnReadable();
  void DrainInbox();
  // Shows JavaScript what is in the backlog, then up to `reads` requests more from the descriptor.
  void Serve(int reads);
  // The visible length of the next request for JavaScript, 0 where there is none now.
  size_t Advance();
  bool TakeNext(fuse::Request* request);
  fuse::Device::Received Receive(fuse::Request* request, int* error);
  bool Sleep();
  size_t Show(fuse::Request* request);
  bool CallOnRequests(size_t length);
  void Finish(int64_t result);
  void OnEnd(int error);
  void TakeDamaged();
  void OnDamage(fuse::DamagedRead read);
  void StopPolling();
  // Ends everything while the environment goes down.
  void TearDown();
  static void TearDownHook(void* wrap);

  std::shared_ptr<TaskQueue> tasks_;
  std::shared_ptr<LoopSide> side_;
  std::shared_ptr<fuse::Session> session_;
  Napi::AsyncContext context_;
  Napi::ObjectReference callbacks_;
  Napi::FunctionReference on_requests_;
  Napi::Reference<Napi::Buffer<char>> request_;
  Napi::Reference<Napi::Buffer<char>> reply_message_;
  char* request_data_ = nullptr;  // memory of request_
  char* message_ = nullptr;       // memory of reply_message_: the header, then `reply`
  fuse::BusyPoll busy_poll_;
  fuse::CpuFollower follower_;
  uv_loop_t* loop_ = nullptr;          // set by Start
  uv_poll_t* poll_ = nullptr;          // owned by the event loop while it is polled
  std::deque<fuse::Request> backlog_;  // taken from the inbox, not shown yet
  fuse::Request taken_;                // shown last; its buffer takes the next one
  int reads_ = 0;                      // from the descriptor, left for this turn
  int end_error_ = 0;                  // of the connection, once over_
  bool over_ = false;                  // the descriptor said that the connection ended
  bool linger_ = false;                // the last request was answered at once
  uint64_t current_ = 0;               // unique of the request that JavaScript is being shown
  bool wants_reply_ = false;           // that request
  bool answered_ = false;              // it was answered or retried meanwhile
  bool started_ = false;
  bool stopped_ = false;  // the descriptor is, or may be, closed
  bool ended_ = false;
  std::thread closer_;
  Napi::ObjectReference stopping_;  // the promise that stop() gave
};

}  // namespace coral::addon
