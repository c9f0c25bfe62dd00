// The io section of the border, many files at a time: one job on one thread and one promise, where
// a call for each file would cost the event loop more than the work itself.
//
// Results are in the order of the paths: a descriptor or 0, or a negative errno.
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/async.h"
#include "content/parallel.h"
#include "io/files.h"
#include "io/others.h"

namespace coral::addon {

namespace {

constexpr unsigned kRemovalThreads = 4;

struct Item {
  std::string path;
  std::string label;
  UniqueFd fd;
  std::string head;
  int result = 0;
  int labelled = 0;
  int written = 0;
};
using Batch = std::shared_ptr<std::vector<Item>>;

Batch BatchOf(Args& args) {
  auto batch = std::make_shared<std::vector<Item>>();
  for (auto& path : args.Strings(0)) batch->push_back({std::move(path)});
  return batch;
}

Napi::Value Results(Napi::Env env, const Batch& batch, int Item::*result) {
  auto array = Napi::Int32Array::New(env, batch->size());
  for (size_t i = 0; i < batch->size(); i++) array.Data()[i] = (*batch)[i].*result;
  return array;
}

// From here on the descriptors are JavaScript's.
Napi::Value Descriptors(Napi::Env env, const Batch& batch) {
  for (auto& item : *batch) {
    if (item.fd.valid()) item.result = item.fd.release();
  }
  return Results(env, batch, &Item::result);
}

Napi::Value ForEach(Napi::Env env, const Batch& batch, std::function<void(Item&)> work,
                    std::function<Napi::Value(Napi::Env)> finish) {
  return RunAsync(
      env, WorkerPool::Foreground(),
      [=] {
        for (auto& item : *batch) work(item);
        return Status::Ok();
      },
      std::move(finish));
}

// Threads of their own: where a filesystem is mounted with `discard`, each unlink waits for the
// medium, and several wait no longer than one.
WorkerPool& RemovalPool() {
  static auto* pool = new WorkerPool(kRemovalThreads, WorkerPool::Priority::kNormal);
  return *pool;
}

void OpenItem(Item& item, int flags, unsigned mode) {
  const Status status = io::Open(item.path, flags, mode, &item.fd);
  if (!status.ok()) item.result = -status.error();
}

Napi::Value CreateFiles(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto batch = BatchOf(args);
  const auto mode = static_cast<unsigned>(args.Int(1));
  if (!args.ok()) return {};
  return ForEach(
      info.Env(), batch,
      [=](Item& item) { OpenItem(item, O_RDWR | O_CREAT | O_EXCL | O_NOATIME | O_NOFOLLOW, mode); },
      [=](Napi::Env env) { return Descriptors(env, batch); });
}

Napi::Value RemoveFiles(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto batch = BatchOf(args);
  if (!args.ok()) return {};
  return RunAsync(
      info.Env(), RemovalPool(),
      [=] {
        ParallelFor(RemovalPool(), kRemovalThreads - 1, batch->size(), [&](size_t i) {
          auto& item = (*batch)[i];
          item.result = unlink(item.path.c_str()) == 0 ? 0 : -errno;
        });
        return Status::Ok();
      },
      [=](Napi::Env env) { return Results(env, batch, &Item::result); });
}

void LabelItem(Item& item, const std::string& name, size_t head_length) {
  OpenItem(item, O_RDONLY | O_NOATIME | O_NOFOLLOW, 0);
  if (!item.fd.valid()) return;
  // Where a filesystem has no leases it is not served by passthrough, and nobody writes past us.
  bool writers = false;
  if (io::HasWriters(item.fd.get(), &writers).ok() && writers) item.written = 1;
  const auto& label = item.label;
  if (fsetxattr(item.fd.get(), name.c_str(), label.data(), label.size(), 0) != 0) {
    item.labelled = -errno;
  }
  item.head.resize(head_length);
  size_t done = 0;
  const Status status = io::ReadFully(item.fd.get(), item.head.data(), head_length, 0, &done);
  item.head.resize(done);
  if (status.ok()) return;
  item.fd.reset();
  item.result = -status.error();
}

Napi::Value Labelled(Napi::Env env, const Batch& batch) {
  auto heads = Napi::Array::New(env, batch->size());
  for (size_t i = 0; i < batch->size(); i++) {
    const auto& head = (*batch)[i].head;
    heads[static_cast<uint32_t>(i)] = Napi::Buffer<char>::Copy(env, head.data(), head.size());
  }
  auto result = Napi::Object::New(env);
  result["heads"] = heads;
  result["written"] = Results(env, batch, &Item::written);
  result["labelled"] = Results(env, batch, &Item::labelled);
  result["fds"] = Descriptors(env, batch);
  return result;
}

Napi::Value LabelFiles(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto batch = BatchOf(args);
  auto labels = args.Buffers(1);
  const auto name = args.String(2);
  const auto head_length = static_cast<size_t>(args.Integer(3));
  if (!args.ok()) return {};
  labels.resize(batch->size());
  for (size_t i = 0; i < labels.size(); i++) (*batch)[i].label = std::move(labels[i]);
  return ForEach(
      info.Env(), batch, [=](Item& item) { LabelItem(item, name, head_length); },
      [=](Napi::Env env) { return Labelled(env, batch); });
}

}  // namespace

void RegisterIoBatch(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, auto* function) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("createFiles", CreateFiles);
  add("removeFiles", RemoveFiles);
  add("labelFiles", LabelFiles);
}

}  // namespace coral::addon
