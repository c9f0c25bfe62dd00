// FileGroup for JavaScript.
#include <algorithm>
#include <optional>

#include "addon/args.h"
#include "addon/content.h"
#include "content/file_copies.h"
#include "content/file_group.h"
#include "io/copy_rate.h"

namespace coral::addon {

namespace {

struct GroupHandle {
  std::shared_ptr<const FileGroup> group;  // Null once released.
};

// Device and inode of each.
bool ReadIdentities(const Napi::CallbackInfo& info, std::vector<FileGroup::File>* files) {
  Args args(info);
  const double* numbers = args.Doubles(3, 2 * files->size());
  if (!args.ok()) return false;
  for (auto& file : *files) {
    file.identity = {numbers[0], numbers[1]};
    numbers += 2;
  }
  return true;
}

std::optional<FileGroup> ReadGroup(const Napi::CallbackInfo& info) {
  std::vector<uint32_t> lengths;
  if (!info[0].IsArray() || !ReadUint32s(info[1], &lengths)) return std::nullopt;
  const auto paths = info[0].As<Napi::Array>();
  if (paths.Length() != lengths.size()) return std::nullopt;
  std::vector<FileGroup::File> files;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < paths.Length(); i++) {
    const Napi::Value path = paths.Get(i);
    sum += lengths[i];
    if (!path.IsString() || lengths[i] == 0 || sum > FileGroup::kMaxBytes) return std::nullopt;
    files.push_back({path.As<Napi::String>().Utf8Value(), lengths[i]});
  }
  if (!info[3].IsUndefined() && !ReadIdentities(info, &files)) return std::nullopt;
  return FileGroup(std::move(files));
}

// `files`, and for each three limits and a number of cuts; the cuts of all lie in one array.
bool ReadCuttings(const Napi::CallbackInfo& info, const FileGroup& group,
                  std::vector<FileGroup::Cutting>* cuttings) {
  std::vector<uint32_t> files;
  std::vector<uint32_t> limits;
  std::vector<uint32_t> counts;
  std::vector<uint64_t> cuts;
  if (!ReadUint32s(info[0], &files) || !ReadUint32s(info[1], &limits) ||
      !ReadUint32s(info[2], &counts) || !ReadOffsets(info[3], &cuts) ||
      limits.size() != 3 * files.size() || counts.size() != files.size()) {
    return false;
  }
  std::vector<bool> taken(group.files().size());
  size_t at = 0;
  for (size_t i = 0; i < files.size(); i++) {
    const size_t file = files[i];
    const ChunkLimits how{limits[3 * i], limits[3 * i + 1], limits[3 * i + 2]};
    if (file >= taken.size() || taken[file] || group.files()[file].error != 0 || !AreValid(how) ||
        counts[i] > cuts.size() - at) {
      return false;
    }
    taken[file] = true;
    const auto first = cuts.begin() + static_cast<ptrdiff_t>(at);
    cuttings->push_back({file, how, {first, first + counts[i]}});
    at += counts[i];
  }
  return true;
}

Napi::Value Cut(const Napi::CallbackInfo& info, const std::shared_ptr<GroupHandle>& handle) {
  std::vector<FileGroup::Cutting> cuttings;
  if (handle->group == nullptr || !ReadCuttings(info, *handle->group, &cuttings)) {
    return Rejected(info.Env(), Status::Error(EINVAL, "cut"));
  }
  auto result = std::make_shared<FileGroup::Result>();
  return RunAsync(
      info.Env(), WorkerPool::Background(),
      [group = handle->group, cuttings = std::move(cuttings), result] {
        *result = group->Cut(cuttings);
        return Status::Ok();
      },
      [result](Napi::Env env) -> Napi::Value {
        auto object = NewBatch(env, result->batch);
        object.Set("counts", NewUint32Array(env, result->counts));
        object.Set("digest",
                   Napi::Buffer<uint8_t>::Copy(env, result->digest.data(), result->digest.size()));
        return object;
      });
}

// A copy of bytes of one file, fewer at its end.
Napi::Value Slice(const Napi::CallbackInfo& info, const GroupHandle& handle) {
  uint64_t numbers[3];
  for (size_t i = 0; i < 3; i++) {
    if (!ReadInteger(info[i], &numbers[i])) return ThrowInvalid(info.Env(), "slice");
  }
  const auto [index, offset, length] = numbers;
  if (handle.group == nullptr || index >= handle.group->files().size()) {
    return ThrowInvalid(info.Env(), "slice");
  }
  const auto& file = handle.group->files()[index];
  if (file.error != 0) return ThrowInvalid(info.Env(), "slice");
  const auto start = std::min<uint64_t>(offset, file.length);
  return Napi::Buffer<uint8_t>::Copy(info.Env(), handle.group->bytes(file) + start,
                                     std::min<uint64_t>(length, file.length - start));
}

// Numbers of files, and for each a path, a label and four numbers: seconds and nanoseconds of the
// last access and of the last change.
bool ReadCopies(const Napi::CallbackInfo& info, const FileGroup& group, std::string* label_name,
                std::vector<FileCopy>* copies) {
  Args args(info);
  std::vector<uint32_t> files;
  if (!ReadUint32s(info[0], &files)) return false;
  auto paths = args.Strings(1);
  auto labels = args.Buffers(2);
  *label_name = args.String(3);
  const double* times = args.Doubles(4, 4 * files.size());
  if (!args.ok() || paths.size() != files.size() || labels.size() != files.size()) return false;
  for (size_t i = 0; i < files.size(); i++) {
    if (files[i] >= group.files().size() || group.files()[files[i]].error != 0) return false;
    const auto time = [&](size_t at) {
      return timespec{static_cast<time_t>(times[at]), static_cast<long>(times[at + 1])};
    };
    copies->push_back(
        {files[i], std::move(paths[i]), std::move(labels[i]), {time(4 * i), time(4 * i + 2)}});
  }
  return true;
}

Napi::Value NewCopies(Napi::Env env, const std::vector<FileCopy>& copies) {
  auto errors = Napi::Int32Array::New(env, copies.size());
  auto blocks = Napi::Float64Array::New(env, copies.size());
  for (size_t i = 0; i < copies.size(); i++) {
    errors[i] = copies[i].error;
    blocks[i] = static_cast<double>(copies[i].blocks);
  }
  auto object = Napi::Object::New(env);
  object.Set("errors", errors);
  object.Set("blocks", blocks);
  return object;
}

Napi::Value Write(const Napi::CallbackInfo& info, const std::shared_ptr<GroupHandle>& handle) {
  auto copies = std::make_shared<std::vector<FileCopy>>();
  std::string label_name;
  // A share of its own: reading arguments may run JavaScript, which may release the group.
  const auto group = handle->group;
  if (group == nullptr || !ReadCopies(info, *group, &label_name, copies.get())) {
    if (info.Env().IsExceptionPending()) return {};
    return Rejected(info.Env(), Status::Error(EINVAL, "write files"));
  }
  return RunAsync(
      info.Env(), CopyPool(),
      [group, label_name, control = ControlOf(info[5]), copies] {
        return WriteCopies(*group, label_name, *control, *copies);
      },
      [copies](Napi::Env env) { return NewCopies(env, *copies); });
}

Napi::Value NewGroup(Napi::Env env, const std::shared_ptr<const FileGroup>& group) {
  auto handle = std::make_shared<GroupHandle>(group);
  const auto& files = group->files();
  auto errors = Napi::Int32Array::New(env, files.size());
  auto digests = Napi::Buffer<uint8_t>::New(env, files.size() * sizeof(FileDigest::Value));
  for (size_t i = 0; i < files.size(); i++) {
    errors[i] = files[i].error;
    std::ranges::copy(files[i].digest, digests.Data() + i * sizeof(FileDigest::Value));
  }
  auto object = Napi::Object::New(env);
  object.Set("errors", errors);
  object.Set("digests", digests);
  AddMethod(object, "slice",
            [handle](const Napi::CallbackInfo& info) { return Slice(info, *handle); });
  AddMethod(object, "cut", [handle](const Napi::CallbackInfo& info) { return Cut(info, handle); });
  AddMethod(object, "write",
            [handle](const Napi::CallbackInfo& info) { return Write(info, handle); });
  AddMethod(object, "release", [handle](const Napi::CallbackInfo&) { handle->group.reset(); });
  return object;
}

Napi::Value ReadFiles(const Napi::CallbackInfo& info) {
  auto read = ReadGroup(info);
  if (info.Env().IsExceptionPending()) return {};
  if (!read) return Rejected(info.Env(), Status::Error(EINVAL, "read files"));
  auto group = std::make_shared<FileGroup>(*std::move(read));
  return RunAsync(
      info.Env(), CopyPool(),
      [group, control = ControlOf(info[2])] { return group->Read(*control); },
      [group](Napi::Env env) { return NewGroup(env, group); });
}

Napi::Value ReadPlanFiles(const Napi::CallbackInfo& info) {
  auto plan = PlanOf(info[0]);
  std::vector<uint32_t> lengths;
  uint64_t sum = 0;
  if (plan == nullptr || !ReadUint32s(info[1], &lengths) || !info[2].IsBoolean()) {
    return Rejected(info.Env(), Status::Error(EINVAL, "read plan"));
  }
  std::vector<FileGroup::File> files;
  for (const auto length : lengths) {
    files.push_back({"", length});
    sum += length;
  }
  if (sum > FileGroup::kMaxBytes) return Rejected(info.Env(), Status::Error(EINVAL, "read plan"));
  auto group = std::make_shared<FileGroup>(std::move(files));
  return RunAsync(
      info.Env(), CopyPool(),
      [group, plan, from_medium = info[2].As<Napi::Boolean>().Value(),
       control = ControlOf(info[3])] { return group->ReadPlan(*plan, from_medium, *control); },
      [group](Napi::Env env) { return NewGroup(env, group); });
}

}  // namespace

void RegisterFileGroups(Napi::Env, Napi::Object exports) {
  AddMethod(exports, "readFiles", ReadFiles);
  AddMethod(exports, "readPlanFiles", ReadPlanFiles);
}

}  // namespace coral::addon
