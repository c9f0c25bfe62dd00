// The libfuse2 section of the border: loads libfuse for the binding of fuse-native.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/async.h"
#include "libfuse2/open.h"

namespace coral::addon {

namespace {

void OpenLibfuse2(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto library = args.String(0);
  if (!args.ok()) return;
  if (!info[1].IsFunction()) {
    Napi::TypeError::New(info.Env(), "Argument 2 must be a function").ThrowAsJavaScriptException();
    return;
  }
  std::string problem;
  const Status status = libfuse2::Open(library, &problem);
  if (!status.ok()) {
    auto error = ToError(info.Env(), status);
    error.Set("message", Napi::String::New(info.Env(), problem));
    error.ThrowAsJavaScriptException();
    return;
  }
  auto callback =
      std::make_shared<Napi::FunctionReference>(Napi::Persistent(info[1].As<Napi::Function>()));
  callback->SuppressDestruct();
  libfuse2::SetOnEnd([tasks = TaskQueue::For(info.Env()), callback] {
    tasks->Post([callback](Napi::Env env) {
      Napi::HandleScope scope(env);
      callback->Call({});
    });
  });
}

}  // namespace

void RegisterLibfuse2(Napi::Env env, Napi::Object exports) {
  exports.Set("openLibfuse2", Napi::Function::New(env, OpenLibfuse2, "openLibfuse2"));
}

}  // namespace coral::addon
