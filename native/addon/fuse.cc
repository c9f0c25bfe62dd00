// The fuse section of the border: mounting, and making sessions.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/async.h"
#include "addon/session.h"
#include "fuse/mount.h"

namespace coral::addon {

namespace {

// As ThrowIfError; what fusermount3 wrote is the message where it was asked.
bool ThrowWithMessage(Napi::Env env, const Status& status, const std::string& message) {
  if (status.ok() || message.empty()) return ThrowIfError(env, status);
  auto error = ToError(env, status);
  error.Set("message", Napi::String::New(env, message));
  error.ThrowAsJavaScriptException();
  return true;
}

Napi::Value Mount(const Napi::CallbackInfo& info) {
  Args args(info);
  fuse::MountRequest request;
  request.source = args.String(0);
  request.mountpoint = args.String(1);
  request.subtype = args.String(2);
  request.flags = static_cast<unsigned long>(args.Integer(3));
  request.options = args.String(4);
  request.auto_unmount = info.Length() > 5 && args.Boolean(5);
  if (!args.ok()) return {};
  fuse::Mounted mounted;
  std::string message;
  const Status status = fuse::Mount(request, &mounted, &message);
  if (ThrowWithMessage(info.Env(), status, message)) return {};
  auto result = Napi::Object::New(info.Env());
  result.Set("fd", Napi::Number::New(info.Env(), mounted.fd.release()));
  result.Set("viaHelper", Napi::Boolean::New(info.Env(), mounted.via_helper));
  return result;
}

void Remount(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto mountpoint = args.String(0);
  const auto flags = static_cast<unsigned long>(args.Integer(1));
  if (args.ok()) ThrowIfError(info.Env(), fuse::Remount(mountpoint, flags));
}

void Unmount(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto mountpoint = args.String(0);
  const bool lazy = args.Boolean(1);
  if (!args.ok()) return;
  std::string message;
  const Status status = fuse::Unmount(mountpoint, lazy, &message);
  ThrowWithMessage(info.Env(), status, message);
}

}  // namespace

void RegisterFuse(Napi::Env env, Napi::Object exports) {
  exports.Set("mount", Napi::Function::New(env, Mount, "mount"));
  exports.Set("remount", Napi::Function::New(env, Remount, "remount"));
  exports.Set("unmount", Napi::Function::New(env, Unmount, "unmount"));
  RegisterSession(env, exports);
}

}  // namespace coral::addon
