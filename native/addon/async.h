// Bridges native threads and JavaScript: errors as Node shapes them, work on a pool as a promise.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>

#include "io/status.h"
#include "io/worker_pool.h"

namespace coral::addon {

// An Error with code, errno (positive), syscall and path.
Napi::Error ToError(Napi::Env env, const Status& status);

// Throws `status` as a JavaScript exception if it is an error. Returns true where it threw.
bool ThrowIfError(Napi::Env env, const Status& status);

// Runs `task` on the JavaScript thread soon; callable from any thread, keeps nothing alive.
// The queue is per environment; after the environment ended tasks are dropped.
using Task = std::function<void(Napi::Env)>;
class TaskQueue {
 public:
  static std::shared_ptr<TaskQueue> For(Napi::Env env);
  virtual ~TaskQueue() = default;
  virtual void Post(Task task) = 0;
  // While held more often than released, the event loop stays alive. JavaScript thread only.
  virtual void Hold(Napi::Env env) = 0;
  virtual void Release(Napi::Env env) = 0;
};

// Runs `work` on `pool`; then `finish` makes the promise's value on the JavaScript thread.
// Captured state must own what it uses.
Napi::Value RunAsync(Napi::Env env, WorkerPool& pool, std::function<Status()> work,
                     std::function<Napi::Value(Napi::Env)> finish);

}  // namespace coral::addon
