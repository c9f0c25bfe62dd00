#include "addon/async.h"

#include <cstring>
#include <map>
#include <mutex>

namespace coral::addon {

namespace {

class ThreadSafeTaskQueue : public TaskQueue {
 public:
  explicit ThreadSafeTaskQueue(Napi::Env env)
      : function_(Napi::ThreadSafeFunction::New(env, Napi::Function(), "coral-reef tasks", 0, 1)) {
    function_.Unref(env);
  }

  void Post(Task task) override {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    auto* boxed = new Task(std::move(task));
    const auto status =
        function_.NonBlockingCall(boxed, [](Napi::Env env, Napi::Function, Task* boxed_task) {
          std::unique_ptr<Task> owned(boxed_task);
          if (env != nullptr) (*owned)(env);
        });
    if (status != napi_ok) delete boxed;
  }

  void Hold(Napi::Env env) override {
    if (held_++ == 0) function_.Ref(env);
  }

  void Release(Napi::Env env) override {
    if (--held_ == 0) function_.Unref(env);
  }

  void Close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    function_.Abort();
  }

 private:
  std::mutex mutex_;
  bool closed_ = false;  // guarded by mutex_
  int held_ = 0;         // JavaScript thread only
  Napi::ThreadSafeFunction function_;
};

std::mutex queues_mutex;
// guarded by queues_mutex; never destroyed, since native threads outlive main.
auto& queues = *new std::map<napi_env, std::shared_ptr<ThreadSafeTaskQueue>>();

const char* ErrorName(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "EIO";
}

}  // namespace

std::shared_ptr<TaskQueue> TaskQueue::For(Napi::Env env) {
  std::lock_guard lock(queues_mutex);
  auto& queue = queues[env];
  if (!queue) {
    queue = std::make_shared<ThreadSafeTaskQueue>(env);
    env.AddCleanupHook([env] {
      std::lock_guard hook_lock(queues_mutex);
      const auto found = queues.find(env);
      if (found == queues.end()) return;
      found->second->Close();
      queues.erase(found);
    });
  }
  return queue;
}

Napi::Error ToError(Napi::Env env, const Status& status) {
  std::string message = std::string(ErrorName(status.error())) + ": " + strerror(status.error()) +
                        ", " + status.syscall();
  if (!status.path().empty()) message += " '" + status.path() + "'";
  auto error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, ErrorName(status.error())));
  error.Set("errno", Napi::Number::New(env, status.error()));
  error.Set("syscall", Napi::String::New(env, status.syscall()));
  if (!status.path().empty()) error.Set("path", Napi::String::New(env, status.path()));
  return error;
}

bool ThrowIfError(Napi::Env env, const Status& status) {
  if (status.ok()) return false;
  ToError(env, status).ThrowAsJavaScriptException();
  return true;
}

Napi::Value RunAsync(Napi::Env env, WorkerPool& pool, std::function<Status()> work,
                     std::function<Napi::Value(Napi::Env)> finish) {
  auto deferred = std::make_shared<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(env));
  auto queue = TaskQueue::For(env);
  queue->Hold(env);
  pool.Submit([queue, deferred, work = std::move(work), finish = std::move(finish)]() mutable {
    Status status = work();
    work = nullptr;  // What it held open is closed by the time the promise is settled.
    queue->Post([queue, deferred, status = std::move(status),
                 finish = std::move(finish)](Napi::Env task_env) {
      Napi::HandleScope scope(task_env);
      if (status.ok()) {
        deferred->Resolve(finish(task_env));
      } else {
        deferred->Reject(ToError(task_env, status).Value());
      }
      queue->Release(task_env);
    });
  });
  return deferred->Promise();
}

}  // namespace coral::addon
