// What the files of the content border share: native objects behind JavaScript ones, and arguments.
#pragma once

#include <napi.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "addon/async.h"
#include "content/chunk_reader.h"
#include "content/encode_chunks.h"
#include "content/plan.h"
#include "io/copy_control.h"
#include "io/unique_fd.h"

namespace coral::addon {

// The native objects of JavaScript handles. Emptied by release() and close(): work in flight keeps
// its own reference.
struct BatchHandle {
  std::shared_ptr<const ChunkBatch> batch;
};

struct EncodedHandle {
  std::shared_ptr<const std::vector<EncodedChunk>> chunks;
};

template <typename T>
struct HandleTag;
template <>
struct HandleTag<BatchHandle> {
  static constexpr napi_type_tag value = {0x636f72616c2d6261, 0x7463682d68616e64};
};
template <>
struct HandleTag<EncodedHandle> {
  static constexpr napi_type_tag value = {0x636f72616c2d656e, 0x636f6465642d6861};
};
template <>
struct HandleTag<CopyControl> {
  static constexpr napi_type_tag value = {0x636f72616c2d636f, 0x6e74726f6c2d6861};
};

// A new JavaScript object that holds a share of `held`; HeldBy gets it back.
template <typename T>
Napi::Object NewHolder(Napi::Env env, std::shared_ptr<T> held) {
  auto object = Napi::Object::New(env);
  object.TypeTag(&HandleTag<T>::value);
  auto boxed = std::make_unique<std::shared_ptr<T>>(std::move(held));
  const auto finalize = [](napi_env, void* data, void*) {
    delete static_cast<std::shared_ptr<T>*>(data);
  };
  if (napi_wrap(env, object, boxed.get(), finalize, nullptr, nullptr) == napi_ok) {
    boxed.release();
  }
  return object;
}

// Null where `value` is no such object.
template <typename T>
std::shared_ptr<T> HeldBy(Napi::Value value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&HandleTag<T>::value)) return {};
  void* data = nullptr;
  if (napi_unwrap(value.Env(), value, &data) != napi_ok) return {};
  return *static_cast<std::shared_ptr<T>*>(data);
}

// The control that was passed, or one of the job's own.
std::shared_ptr<CopyControl> ControlOf(Napi::Value value);

// Null where the value is no open plan.
std::shared_ptr<Plan> PlanOf(Napi::Value plan_handle);

// Throws EINVAL for an argument of the wrong kind; `what` names the call.
Napi::Value ThrowInvalid(Napi::Env env, const char* what);

// A promise that is rejected already.
Napi::Value Rejected(Napi::Env env, const Status& status);

// False where the value is no whole number from 0 to 2^53.
bool ReadInteger(Napi::Value value, uint64_t* number);

// A duplicate of the descriptor: work in flight must not meet its number in use for another file.
Status DuplicateFd(Napi::Value value, UniqueFd* fd);

bool IsTypedArray(Napi::Value value, napi_typedarray_type type);
// False where the value is no such array or an element is no whole number from 0 to 2^53.
bool ReadOffsets(Napi::Value value, std::vector<uint64_t>* numbers);
// 16 bytes of a Buffer.
bool ReadVolumeId(Napi::Value value, std::array<uint8_t, 16>* id);
bool ReadUint32s(Napi::Value value, std::vector<uint32_t>* numbers);

Napi::Value NewUint32Array(Napi::Env env, const std::vector<uint32_t>& numbers);
Napi::Value NewOffsetArray(Napi::Env env, const std::vector<uint64_t>& numbers);

// Adds a method to an object.
template <typename Function>
void AddMethod(Napi::Object object, const char* name, Function function) {
  object.Set(name, Napi::Function::New(object.Env(), std::move(function), name));
}

// Adds a property that is read each time.
template <typename Getter>
void AddGetter(Napi::Object object, const char* name, Getter getter) {
  object.DefineProperty(Napi::PropertyDescriptor::Accessor(object.Env(), object, name,
                                                           std::move(getter), napi_enumerable));
}

// What JavaScript knows of a batch; it passes this on to a pack writer.
Napi::Object NewBatch(Napi::Env env, const std::shared_ptr<const ChunkBatch>& batch);

void RegisterChunkReader(Napi::Env env, Napi::Object exports);
void RegisterFileGroups(Napi::Env env, Napi::Object exports);
void RegisterPacks(Napi::Env env, Napi::Object exports);
void RegisterPlans(Napi::Env env, Napi::Object exports);
void RegisterCopies(Napi::Env env, Napi::Object exports);

}  // namespace coral::addon
