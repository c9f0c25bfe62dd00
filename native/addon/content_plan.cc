// PlanHandle for JavaScript, and the jobs that take one.
#include "addon/addon.h"
#include "addon/content.h"
#include "content/plan.h"
#include "content/plan_jobs.h"
#include "io/copy_rate.h"

namespace coral::addon {

// What a check found. A later one may go on with its digest.
struct PlanCheck {
  FileDigest digest;
  std::vector<uint32_t> bad;
};
template <>
struct HandleTag<PlanCheck> {
  static constexpr napi_type_tag value = {0x636f72616c2d6469, 0x676573742d68616e};
};

namespace {

constexpr uint64_t kMaxReadLength = 64 << 20;

bool ReadPaths(Napi::Value value, std::vector<std::string>* paths) {
  if (!value.IsArray()) return false;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Value path = array[i];
    if (!path.IsString()) return false;
    paths->push_back(path.As<Napi::String>().Utf8Value());
  }
  return true;
}

bool ReadIds(Napi::Value value, std::vector<uint64_t>* ids) {
  if (!value.IsArray()) return false;
  const auto array = value.As<Napi::Array>();
  ids->resize(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) {
    if (!ReadInteger(array[i], &(*ids)[i])) return false;
  }
  return true;
}

bool ReadDescription(Napi::Value value, PlanDescription* description) {
  if (!value.IsObject()) return false;
  const auto object = value.As<Napi::Object>();
  const Napi::Value packs = object.Get("packs");
  if (!IsTypedArray(packs, napi_int32_array)) return false;
  const auto numbers = packs.As<Napi::Int32Array>();
  description->packs.assign(numbers.Data(), numbers.Data() + numbers.ElementLength());
  return ReadInteger(object.Get("size"), &description->size) &&
         ReadUint32s(object.Get("lengths"), &description->lengths) &&
         ReadOffsets(object.Get("offsets"), &description->offsets) &&
         ReadUint32s(object.Get("stored"), &description->stored) &&
         ReadPaths(object.Get("packPaths"), &description->pack_paths) &&
         ReadIds(object.Get("packIds"), &description->pack_ids) &&
         ReadVolumeId(object.Get("volumeId"), &description->volume_id);
}

// A class, since one is made at each open of a packed file: a function for each would cost more
// than the rest.
class PlanHandle : public Napi::ObjectWrap<PlanHandle> {
 public:
  static Napi::Function Class(Napi::Env env) {
    return DefineClass(env, "PlanHandle",
                       {InstanceAccessor<&PlanHandle::Size>("size", napi_enumerable),
                        InstanceMethod<&PlanHandle::Close>("close")});
  }

  explicit PlanHandle(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    PlanDescription description;
    if (!ReadDescription(info[0], &description)) {
      ThrowInvalid(info.Env(), "open plan");
      return;
    }
    size_ = description.size;
    if (ThrowIfError(info.Env(), Plan::Open(std::move(description), &plan_))) return;
    info.This().As<Napi::Object>().TypeTag(&kTag);
  }

  // Null where it is no such handle, or closed.
  static std::shared_ptr<Plan> PlanOf(Napi::Value value) {
    if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag)) return nullptr;
    return Unwrap(value.As<Napi::Object>())->plan_;
  }

 private:
  static constexpr napi_type_tag kTag = {0x636f72616c2d706c, 0x616e2d68616e646c};

  Napi::Value Size(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(size_));
  }
  void Close(const Napi::CallbackInfo&) { plan_.reset(); }

  std::shared_ptr<Plan> plan_;
  uint64_t size_ = 0;
};

Napi::Value NewDigest(Napi::Env env, const FileDigest::Value& digest) {
  return Napi::Buffer<uint8_t>::Copy(env, digest.data(), digest.size());
}

Napi::Value NewResult(Napi::Env env, const CopyResult& copied) {
  auto result = Napi::Object::New(env);
  result.Set("bytes", Napi::Number::New(env, static_cast<double>(copied.bytes)));
  result.Set("digest", NewDigest(env, copied.digest));
  return result;
}

Napi::Value NewResult(Napi::Env env, const CheckedCopy& copy) {
  auto result = NewResult(env, copy.copied).As<Napi::Object>();
  result.Set("found", NewDigest(env, copy.found));
  return result;
}

template <typename Result>
Napi::Value RunCopy(Napi::Env env, Napi::Value control_value,
                    std::function<Status(CopyControl&, Result*)> work,
                    WorkerPool& pool = CopyPool()) {
  auto result = std::make_shared<Result>();
  return RunAsync(
      env, pool,
      [work = std::move(work), control = ControlOf(control_value), result] {
        return work(*control, result.get());
      },
      [result](Napi::Env finish_env) { return NewResult(finish_env, *result); });
}

// Undefined is afterwards.
ReadBackWhen WhenOf(Napi::Value meanwhile) {
  return meanwhile.ToBoolean() ? ReadBackWhen::kMeanwhile : ReadBackWhen::kAfterwards;
}

Napi::Value Check(const Napi::CallbackInfo& info) {
  auto plan = PlanOf(info[0]);
  if (plan == nullptr) return Rejected(info.Env(), Status::Error(EBADF, "check plan"));
  auto check = std::make_shared<PlanCheck>();
  if (const auto before = HeldBy<PlanCheck>(info[2])) check->digest = before->digest;
  return RunAsync(
      info.Env(), CopyPool(),
      [plan, check, control = ControlOf(info[1])] {
        return CheckPlan(*plan, *control, check->digest, check->bad);
      },
      [check](Napi::Env env) -> Napi::Value {
        auto result = NewHolder(env, check);
        result.Set("digest", NewDigest(env, check->digest.Finish()));
        result.Set("bad", NewUint32Array(env, check->bad));
        return result;
      });
}

Napi::Value HydratePlan(const Napi::CallbackInfo& info) {
  auto plan = PlanOf(info[0]);
  if (plan == nullptr) return Rejected(info.Env(), Status::Error(EBADF, "hydrate"));
  auto fd = std::make_shared<UniqueFd>();
  const auto status = DuplicateFd(info[1], fd.get());
  if (!status.ok()) return Rejected(info.Env(), status);
  return RunCopy<CheckedCopy>(
      info.Env(), info[2],
      [plan, fd, when = WhenOf(info[3])](CopyControl& control, CheckedCopy* result) {
        return Hydrate(*plan, fd->get(), when, control, result);
      });
}

Napi::Value CopyWhole(const Napi::CallbackInfo& info) {
  auto in = std::make_shared<UniqueFd>();
  auto out = std::make_shared<UniqueFd>();
  auto status = DuplicateFd(info[0], in.get());
  if (status.ok()) status = DuplicateFd(info[1], out.get());
  if (!status.ok()) return Rejected(info.Env(), status);
  return RunCopy<CheckedCopy>(
      info.Env(), info[2],
      [in, out, when = WhenOf(info[3])](CopyControl& control, CheckedCopy* result) {
        return CopyFile(in->get(), out->get(), when, control, result);
      });
}

Napi::Value DigestWhole(const Napi::CallbackInfo& info) {
  auto fd = std::make_shared<UniqueFd>();
  const auto status = DuplicateFd(info[0], fd.get());
  if (!status.ok()) return Rejected(info.Env(), status);
  return RunCopy<CopyResult>(info.Env(), info[1], [fd](CopyControl& control, CopyResult* result) {
    return DigestFile(fd->get(), control, result);
  });
}

Napi::Value CheckWhole(const Napi::CallbackInfo& info) {
  auto fd = std::make_shared<UniqueFd>();
  const auto status = DuplicateFd(info[0], fd.get());
  if (!status.ok()) return Rejected(info.Env(), status);
  return RunCopy<CopyResult>(
      info.Env(), info[1],
      [fd](CopyControl& control, CopyResult* result) {
        return CheckFile(fd->get(), control, result);
      },
      CheckPool());
}

Napi::Value NewBytes(Napi::Env env, const ReadResult& data) {
  size_t length = 0;
  for (const auto& span : data.spans) length += span.iov_len;
  auto buffer = Napi::Buffer<uint8_t>::New(env, length);
  auto* to = buffer.Data();
  for (const auto& span : data.spans) {
    to = std::copy_n(static_cast<const uint8_t*>(span.iov_base), span.iov_len, to);
  }
  return buffer;
}

Napi::Value ReadPlan(const Napi::CallbackInfo& info) {
  auto plan = PlanOf(info[0]);
  if (plan == nullptr) return Rejected(info.Env(), Status::Error(EBADF, "read plan"));
  uint64_t offset = 0;
  uint64_t length = 0;
  if (!ReadInteger(info[1], &offset) || !ReadInteger(info[2], &length) || length > kMaxReadLength) {
    return Rejected(info.Env(), Status::Error(EINVAL, "read plan"));
  }
  auto data = std::make_shared<ReadResult>();
  return RunAsync(
      info.Env(), WorkerPool::Foreground(),
      [plan, offset, length, data] {
        Damage damage;
        return plan->Read(offset, static_cast<uint32_t>(length), data.get(), &damage);
      },
      [data](Napi::Env env) { return NewBytes(env, *data); });
}

Napi::Value CreateCopyControl(const Napi::CallbackInfo& info) {
  auto control = std::make_shared<CopyControl>();
  auto object = NewHolder(info.Env(), control);
  AddMethod(object, "cancel", [control](const Napi::CallbackInfo&) { control->Cancel(); });
  AddGetter(object, "cancelled", [control](const Napi::CallbackInfo& call) -> Napi::Value {
    return Napi::Boolean::New(call.Env(), control->cancelled());
  });
  AddGetter(object, "done", [control](const Napi::CallbackInfo& call) -> Napi::Value {
    return Napi::Number::New(call.Env(), static_cast<double>(control->done()));
  });
  return object;
}

Napi::Value SetRate(const Napi::CallbackInfo& info) {
  const auto rate = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
  if (!(rate > 0)) return ThrowInvalid(info.Env(), "background rate");
  SetBackgroundRate(rate, info[1].ToBoolean().Value());
  return info.Env().Undefined();
}

}  // namespace

std::shared_ptr<Plan> PlanOf(Napi::Value plan_handle) { return PlanHandle::PlanOf(plan_handle); }

std::shared_ptr<DataSource> DataSourceOf(Napi::Value plan_handle) { return PlanOf(plan_handle); }

void RegisterPlans(Napi::Env env, Napi::Object exports) {
  AddMethod(exports, "openPlan",
            [constructor = NewClass(PlanHandle::Class(env))](const Napi::CallbackInfo& info) {
              return constructor->New({info[0]});
            });
  AddMethod(exports, "checkPlan", Check);
  AddMethod(exports, "hydrate", HydratePlan);
  AddMethod(exports, "readPlan", ReadPlan);
}

void RegisterCopies(Napi::Env, Napi::Object exports) {
  AddMethod(exports, "copyFile", CopyWhole);
  AddMethod(exports, "digestFile", DigestWhole);
  AddMethod(exports, "checkFile", CheckWhole);
  AddMethod(exports, "createCopyControl", CreateCopyControl);
  AddMethod(exports, "setBackgroundRate", SetRate);
}

}  // namespace coral::addon
