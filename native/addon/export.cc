// The border of `export`: trees are listed and their entries copied, many to a job.
//
// Paths and names are bytes in latin1.

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/async.h"
#include "addon/content.h"
#include "addon/stat_values.h"
#include "io/export_entry.h"
#include "io/files.h"
#include "io/tree_entries.h"

namespace coral::addon {

namespace {

// Threads of their own: how many work at once is the caller's to say.
constexpr unsigned kThreads = 16;

WorkerPool& ExportPool() {
  static auto* pool = new WorkerPool(kThreads, WorkerPool::Priority::kNormal);
  return *pool;
}

Napi::Value Latin1(Napi::Env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_latin1(env, text.data(), text.size(), &value);
  return {env, value};
}

// Where there is an error, a negative errno is in the place of the mode.
void FillEntry(const TreeEntry& entry, double* out) {
  constexpr size_t kMode = 8;
  FillStat(entry.attributes, out);
  if (entry.error != 0) out[kMode] = -entry.error;
}

using Entries = std::shared_ptr<std::vector<TreeEntry>>;

Napi::Value Attributes(Napi::Env env, const Entries& entries) {
  auto values = Napi::Float64Array::New(env, entries->size() * kStatLength);
  for (size_t i = 0; i < entries->size(); i++) {
    FillEntry((*entries)[i], values.Data() + i * kStatLength);
  }
  return values;
}

Napi::Value Listed(Napi::Env env, const Entries& entries, bool last) {
  auto names = Napi::Array::New(env, entries->size());
  for (size_t i = 0; i < entries->size(); i++) {
    names[static_cast<uint32_t>(i)] = Latin1(env, (*entries)[i].name);
  }
  auto result = Napi::Object::New(env);
  result["names"] = names;
  result["stats"] = Attributes(env, entries);
  result["last"] = Napi::Boolean::New(env, last);
  return result;
}

Napi::Value ListDirectory(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  if (!args.ok()) return {};
  const auto entries = std::make_shared<std::vector<TreeEntry>>();
  const auto last = std::make_shared<bool>(false);
  return RunAsync(
      info.Env(), ExportPool(), [=] { return NextEntries(fd, entries.get(), last.get()); },
      [=](Napi::Env env) { return Listed(env, entries, *last); });
}

Napi::Value LookAt(const Napi::CallbackInfo& info) {
  Args args(info);
  auto paths = args.Paths(0);
  if (!args.ok()) return {};
  const auto entries = std::make_shared<std::vector<TreeEntry>>();
  for (auto& path : paths) entries->push_back({std::move(path)});
  return RunAsync(
      info.Env(), ExportPool(),
      [=] {
        for (auto& entry : *entries) {
          if (lstat(entry.name.c_str(), &entry.attributes) != 0) entry.error = errno;
        }
        return Status::Ok();
      },
      [=](Napi::Env env) { return Attributes(env, entries); });
}

struct Batch {
  std::vector<ExportEntry> entries;
  std::vector<ExportResult> results;
};

Napi::Value FailureOf(Napi::Env env, size_t index, const ExportResult& result) {
  auto failure = Napi::Object::New(env);
  failure["index"] = Napi::Number::New(env, static_cast<double>(index));
  failure["step"] = Napi::String::New(env, result.step == ExportStep::kRead ? "read" : "write");
  failure["error"] = ToError(env, result.status).Value();
  return failure;
}

Napi::Value Exported(Napi::Env env, const std::shared_ptr<Batch>& batch) {
  auto failures = Napi::Array::New(env);
  double bytes = 0;
  bool kept = true;
  for (size_t i = 0; i < batch->results.size(); i++) {
    const auto& result = batch->results[i];
    if (!result.status.ok()) {
      failures[failures.Length()] = FailureOf(env, i, result);
      continue;
    }
    bytes += static_cast<double>(result.bytes);
    kept = kept && result.kept.all;
  }
  auto result = Napi::Object::New(env);
  result["bytes"] = Napi::Number::New(env, bytes);
  result["keptAll"] = Napi::Boolean::New(env, kept);
  result["failures"] = failures;
  return result;
}

// Fills `batch` from two lists of paths of the same length.
bool PairPaths(Args& args, Napi::Env env, const std::shared_ptr<Batch>& batch) {
  auto sources = args.Paths(0);
  auto targets = args.Paths(1);
  if (!args.ok()) return false;
  if (sources.size() != targets.size()) {
    Napi::TypeError::New(env, "As many targets as sources").ThrowAsJavaScriptException();
    return false;
  }
  for (size_t i = 0; i < sources.size(); i++) {
    batch->entries.push_back({std::move(sources[i]), std::move(targets[i])});
  }
  return true;
}

template <typename Copy>
Napi::Value ForEach(Napi::Env env, const std::shared_ptr<Batch>& batch, Copy copy) {
  return RunAsync(
      env, ExportPool(),
      [=] {
        for (const auto& entry : batch->entries) batch->results.push_back(copy(entry));
        return Status::Ok();
      },
      [=](Napi::Env inner) { return Exported(inner, batch); });
}

Napi::Value ExportEntries(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto batch = std::make_shared<Batch>();
  if (!PairPaths(args, info.Env(), batch)) return {};
  const double* modes = args.Doubles(2, batch->entries.size());
  const ExportHow how{.xattrs = args.Boolean(3), .flush = args.Boolean(4)};
  if (!args.ok()) return {};
  for (auto& entry : batch->entries) entry.mode = static_cast<mode_t>(*modes++);
  const auto control = ControlOf(info[5]);
  return ForEach(info.Env(), batch,
                 [=](const auto& entry) { return ExportOne(entry, how, *control); });
}

Napi::Value ExportDirectories(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto batch = std::make_shared<Batch>();
  if (!PairPaths(args, info.Env(), batch)) return {};
  const double* listed = args.Doubles(2, 3 * batch->entries.size());
  const ExportHow how{.xattrs = args.Boolean(3), .flush = args.Boolean(4)};
  if (!args.ok()) return {};
  for (auto& entry : batch->entries) {
    entry.mode = static_cast<mode_t>(*listed++);
    entry.uid = static_cast<uid_t>(*listed++);
    entry.gid = static_cast<gid_t>(*listed++);
  }
  return ForEach(info.Env(), batch,
                 [=](const auto& entry) { return ExportDirectoryAttributes(entry, how); });
}

struct Described {
  TreeEntry file;
  std::vector<Xattr> xattrs;
};

// By one descriptor, so that all is of one file.
void Describe(Described& one) {
  constexpr int kFlags = O_RDONLY | O_NOATIME | O_NOFOLLOW | O_NONBLOCK;
  UniqueFd fd;
  auto status = io::Open(one.file.name, kFlags, 0, &fd);
  if (status.ok() && fstat(fd.get(), &one.file.attributes) != 0)
    status = Status::FromErrno("fstat");
  if (status.ok()) status = ReadXattrs(fd.get(), &one.xattrs);
  one.file.error = status.error();
}

Napi::Value XattrsOf(Napi::Env env, const std::vector<Xattr>& xattrs) {
  auto list = Napi::Array::New(env, xattrs.size());
  for (uint32_t i = 0; i < xattrs.size(); i++) {
    const auto& [name, value] = xattrs[i];
    auto one = Napi::Object::New(env);
    one["name"] = Latin1(env, name);
    one["value"] = Napi::Buffer<char>::Copy(env, value.data(), value.size());
    list[i] = one;
  }
  return list;
}

Napi::Value AllDescribed(Napi::Env env, const std::vector<Described>& files) {
  auto stats = Napi::Float64Array::New(env, files.size() * kStatLength);
  auto xattrs = Napi::Array::New(env, files.size());
  for (uint32_t i = 0; i < files.size(); i++) {
    FillEntry(files[i].file, stats.Data() + i * kStatLength);
    xattrs[i] = XattrsOf(env, files[i].xattrs);
  }
  auto result = Napi::Object::New(env);
  result["stats"] = stats;
  result["xattrs"] = xattrs;
  return result;
}

Napi::Value DescribeFiles(const Napi::CallbackInfo& info) {
  Args args(info);
  auto paths = args.Paths(0);
  if (!args.ok()) return {};
  const auto files = std::make_shared<std::vector<Described>>();
  for (auto& path : paths) files->push_back({{std::move(path)}, {}});
  return RunAsync(
      info.Env(), ExportPool(),
      [=] {
        for (auto& one : *files) Describe(one);
        return Status::Ok();
      },
      [=](Napi::Env env) { return AllDescribed(env, *files); });
}

Napi::Value SyncFilesystemOf(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.Int(0);
  if (!args.ok()) return {};
  return RunAsync(
      info.Env(), ExportPool(),
      [=] { return syncfs(fd) == 0 ? Status::Ok() : Status::FromErrno("syncfs"); },
      [](Napi::Env env) { return env.Undefined(); });
}

void AddExport(Napi::Env env, Napi::Object exports, const char* name,
               Napi::Value (*function)(const Napi::CallbackInfo&)) {
  exports.Set(name, Napi::Function::New(env, function, name));
}

}  // namespace

void RegisterExport(Napi::Env env, Napi::Object exports) {
  AddExport(env, exports, "listDirectory", ListDirectory);
  AddExport(env, exports, "lookAt", LookAt);
  AddExport(env, exports, "exportEntries", ExportEntries);
  AddExport(env, exports, "exportDirectories", ExportDirectories);
  AddExport(env, exports, "describeFiles", DescribeFiles);
  AddExport(env, exports, "syncFilesystemOf", SyncFilesystemOf);
}

}  // namespace coral::addon
