// The content half of the border: registers its calls and reads their arguments.
#include "addon/content.h"

#include <fcntl.h>

#include <algorithm>
#include <cmath>

#include "addon/addon.h"

namespace coral::addon {

namespace {

constexpr double kMaxInteger = 9007199254740992.0;  // 2^53

bool ToInteger(double number, uint64_t* integer) {
  if (!(number >= 0 && number <= kMaxInteger) || number != std::floor(number)) return false;
  *integer = static_cast<uint64_t>(number);
  return true;
}

}  // namespace

std::shared_ptr<CopyControl> ControlOf(Napi::Value value) {
  auto control = HeldBy<CopyControl>(value);
  return control != nullptr ? control : std::make_shared<CopyControl>();
}

Napi::Value ThrowInvalid(Napi::Env env, const char* what) {
  ThrowIfError(env, Status::Error(EINVAL, what));
  return env.Undefined();
}

Napi::Value Rejected(Napi::Env env, const Status& status) {
  auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(ToError(env, status).Value());
  return deferred.Promise();
}

bool ReadInteger(Napi::Value value, uint64_t* number) {
  return value.IsNumber() && ToInteger(value.As<Napi::Number>().DoubleValue(), number);
}

Status DuplicateFd(Napi::Value value, UniqueFd* fd) {
  uint64_t number = 0;
  if (!ReadInteger(value, &number) || number > INT32_MAX) return Status::Error(EBADF, "dup");
  fd->reset(fcntl(static_cast<int>(number), F_DUPFD_CLOEXEC, 0));
  return fd->valid() ? Status::Ok() : Status::FromErrno("dup");
}

bool IsTypedArray(Napi::Value value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

bool ReadOffsets(Napi::Value value, std::vector<uint64_t>* numbers) {
  if (!IsTypedArray(value, napi_float64_array)) return false;
  const auto array = value.As<Napi::Float64Array>();
  numbers->resize(array.ElementLength());
  for (size_t i = 0; i < numbers->size(); i++) {
    if (!ToInteger(array[i], &(*numbers)[i])) return false;
  }
  return true;
}

bool ReadUint32s(Napi::Value value, std::vector<uint32_t>* numbers) {
  if (!IsTypedArray(value, napi_uint32_array)) return false;
  const auto array = value.As<Napi::Uint32Array>();
  numbers->assign(array.Data(), array.Data() + array.ElementLength());
  return true;
}

bool ReadVolumeId(Napi::Value value, std::array<uint8_t, 16>* id) {
  if (!value.IsBuffer()) return false;
  const auto bytes = value.As<Napi::Buffer<uint8_t>>();
  if (bytes.Length() != id->size()) return false;
  std::copy_n(bytes.Data(), bytes.Length(), id->begin());
  return true;
}

Napi::Value NewUint32Array(Napi::Env env, const std::vector<uint32_t>& numbers) {
  auto array = Napi::Uint32Array::New(env, numbers.size());
  std::copy(numbers.begin(), numbers.end(), array.Data());
  return array;
}

Napi::Value NewOffsetArray(Napi::Env env, const std::vector<uint64_t>& numbers) {
  auto array = Napi::Float64Array::New(env, numbers.size());
  std::transform(numbers.begin(), numbers.end(), array.Data(),
                 [](uint64_t number) { return static_cast<double>(number); });
  return array;
}

void RegisterContent(Napi::Env env, Napi::Object exports) {
  RegisterChunkReader(env, exports);
  RegisterFileGroups(env, exports);
  RegisterPacks(env, exports);
  RegisterPlans(env, exports);
  RegisterCopies(env, exports);
}

}  // namespace coral::addon
