// What JavaScript calls of a FuseSession besides taking requests: answers that come later, which
// files native threads serve, and what the kernel is told.
#include <fcntl.h>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/session.h"

namespace coral::addon {

namespace {

uint64_t Id(Args& args, size_t index) { return static_cast<uint64_t>(args.Integer(index)); }

Status Duplicate(int fd, UniqueFd* copy) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return Status::FromErrno("fcntl");
  // Writes come with offsets; a descriptor that appends would ignore them.
  if ((flags & O_APPEND) != 0) return Status::Error(EINVAL, "servePlain");
  copy->reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  return copy->valid() ? Status::Ok() : Status::FromErrno("fcntl");
}

}  // namespace

void SessionWrap::Respond(const Napi::CallbackInfo& info) {
  Args args(info);
  const uint64_t unique = Id(args, 0);
  const int error = args.Int(1);
  if (!args.ok() || stopped_) return;
  if (unique == current_) answered_ = true;
  if (!info[2].IsBuffer()) return session_->Respond(unique, error, nullptr, 0);
  const auto payload = info[2].As<Napi::Buffer<char>>();
  session_->Respond(unique, error, payload.Data(), payload.Length());
}

void SessionWrap::Retry(const Napi::CallbackInfo& info) {
  Args args(info);
  const uint64_t unique = Id(args, 0);
  if (!args.ok() || stopped_) return;
  if (unique == current_) answered_ = true;
  session_->Retry(unique);
}

Napi::Value SessionWrap::BackingOpen(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  if (!args.ok()) return {};
  uint32_t id = 0;
  const Status status = stopped_ ? Status::Error(ENODEV, "FUSE_DEV_IOC_BACKING_OPEN")
                                 : session_->device().BackingOpen(fd, &id);
  if (ThrowIfError(info.Env(), status)) return {};
  return Napi::Number::New(info.Env(), id);
}

void SessionWrap::BackingClose(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto id = static_cast<uint32_t>(args.Integer(0));
  if (!args.ok() || stopped_) return;
  ThrowIfError(info.Env(), session_->device().BackingClose(id));
}

void SessionWrap::ServePlain(const Napi::CallbackInfo& info) {
  Args args(info);
  const uint64_t ino = Id(args, 0);
  const int fd = args.Int(1);
  if (!args.ok() || stopped_) return;
  auto served = std::make_shared<fuse::Served>();
  if (ThrowIfError(info.Env(), Duplicate(fd, &served->plain))) return;
  session_->Serve(ino, std::move(served));
}

void SessionWrap::ServePacked(const Napi::CallbackInfo& info) {
  Args args(info);
  const uint64_t ino = Id(args, 0);
  if (!args.ok() || stopped_) return;
  auto served = std::make_shared<fuse::Served>();
  served->packed = DataSourceOf(info[1]);
  if (!served->packed) {
    Napi::TypeError::New(info.Env(), "Argument 2 must be an open plan")
        .ThrowAsJavaScriptException();
    return;
  }
  session_->Serve(ino, std::move(served));
}

void SessionWrap::Unserve(const Napi::CallbackInfo& info) {
  Args args(info);
  const uint64_t ino = Id(args, 0);
  if (args.ok() && !stopped_) session_->Unserve(ino);
}

void SessionWrap::InvalidateInode(const Napi::CallbackInfo& info) {
  Args args(info);
  const uint64_t ino = Id(args, 0);
  const int64_t offset = args.Integer(1);
  const int64_t length = args.Integer(2);
  if (args.ok() && !stopped_) session_->notifier().InvalidateInode(ino, offset, length);
}

// Pages that a mapping dirtied are written before they are dropped, and the kernel waits for that.
Napi::Value SessionWrap::WriteBack(const Napi::CallbackInfo& info) {
  Args args(info);
  const uint64_t ino = Id(args, 0);
  auto deferred = std::make_shared<Napi::Promise::Deferred>(info.Env());
  const auto promise = deferred->Promise();
  if (!args.ok()) return info.Env().Undefined();
  const auto done = [tasks = tasks_, deferred = std::move(deferred)] {
    tasks->Post([deferred](Napi::Env env) {
      const Napi::HandleScope scope(env);
      deferred->Resolve(env.Undefined());
    });
  };
  if (stopped_) {
    done();
  } else {
    session_->notifier().InvalidateInode(ino, 0, 0, done);
  }
  return promise;
}

Napi::Value SessionWrap::EndReadAhead(const Napi::CallbackInfo& info) {
  Args args(info);
  const uint64_t ino = Id(args, 0);
  if (!args.ok()) return info.Env().Undefined();
  return RunAsync(
      info.Env(), WorkerPool::Foreground(),
      [session = session_, ino] {
        session->EndReadAhead(ino);
        return Status::Ok();
      },
      [](Napi::Env env) { return env.Undefined(); });
}

void SessionWrap::ExpireAccessTime(const Napi::CallbackInfo& info) {
  Args args(info);
  const uint64_t ino = Id(args, 0);
  if (args.ok() && !stopped_) session_->ExpireAccessTime(ino);
}

void SessionWrap::InvalidateEntry(const Napi::CallbackInfo& info) {
  Args args(info);
  const uint64_t parent = Id(args, 0);
  const auto name = args.Bytes(1);
  if (args.ok() && !stopped_) session_->notifier().InvalidateEntry(parent, name);
}

}  // namespace coral::addon
