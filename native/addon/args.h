// Reads the arguments of a call from JavaScript. The first one of a wrong type throws a TypeError;
// what is read after that is empty, so a function checks once, with ok(), before it acts.
#pragma once

#include <napi.h>

#include <cmath>
#include <string>
#include <vector>

namespace coral::addon {

class Args {
 public:
  explicit Args(const Napi::CallbackInfo& info) : info_(info), env_(info.Env()) {}

  bool ok() const { return ok_; }

  int64_t Integer(size_t index) {
    const Napi::Value value = info_[index];
    if (!value.IsNumber()) return Fail<int64_t>(index, "a number");
    const double number = value.As<Napi::Number>().DoubleValue();
    if (!std::isfinite(number)) return Fail<int64_t>(index, "a finite number");
    return value.As<Napi::Number>().Int64Value();
  }

  int Int(size_t index) {
    const int64_t wide = Integer(index);
    if (wide < INT32_MIN || wide > INT32_MAX) return Fail<int>(index, "a 32-bit number");
    return static_cast<int>(wide);
  }

  bool Boolean(size_t index) {
    const Napi::Value value = info_[index];
    return value.IsBoolean() ? value.As<Napi::Boolean>().Value() : Fail<bool>(index, "a boolean");
  }

  // A string for a system call: without NUL, which would cut it short.
  std::string String(size_t index) { return StringOf(index, info_[index]); }

  std::vector<std::string> Strings(size_t index) {
    return Each(index, [&](Napi::Value value) { return StringOf(index, value); });
  }

  // Paths as bytes in latin1: names need not be UTF-8.
  std::vector<std::string> Paths(size_t index) {
    return Each(index, [&](Napi::Value value) { return PathOf(index, value); });
  }

  // The bytes of a Buffer, copied: work on other threads must not depend on JavaScript's memory.
  std::string Bytes(size_t index) { return BytesOf(index, info_[index]); }

  std::vector<std::string> Buffers(size_t index) {
    return Each(index, [&](Napi::Value value) { return BytesOf(index, value); });
  }

  // A Float64Array with room for `length` values; valid during the call.
  double* Doubles(size_t index, size_t length) {
    const Napi::Value value = info_[index];
    if (!value.IsTypedArray()) return Fail<double*>(index, "a Float64Array");
    const auto array = value.As<Napi::TypedArray>();
    if (array.TypedArrayType() != napi_float64_array || array.ElementLength() < length) {
      return Fail<double*>(index, "a Float64Array of sufficient length");
    }
    return value.As<Napi::Float64Array>().Data();
  }

 private:
  std::string StringOf(size_t index, Napi::Value value) {
    if (!value.IsString()) return Fail<std::string>(index, "a string");
    std::string text = value.As<Napi::String>().Utf8Value();
    if (text.find('\0') != text.npos) return Fail<std::string>(index, "a string without NUL");
    return text;
  }

  std::string PathOf(size_t index, Napi::Value value) {
    size_t length = 0;
    if (!value.IsString()) return Fail<std::string>(index, "a string");
    napi_get_value_string_latin1(env_, value, nullptr, 0, &length);
    std::string path(length, '\0');
    napi_get_value_string_latin1(env_, value, path.data(), length + 1, &length);
    if (path.find('\0') != path.npos) return Fail<std::string>(index, "a path without NUL");
    return path;
  }

  std::string BytesOf(size_t index, Napi::Value value) {
    if (!value.IsBuffer()) return Fail<std::string>(index, "a Buffer");
    const auto buffer = value.As<Napi::Buffer<char>>();
    return std::string(buffer.Data(), buffer.Length());
  }

  // What `read` makes of the elements of an array.
  template <typename Read>
  std::vector<std::string> Each(size_t index, Read read) {
    if (!info_[index].IsArray()) return Fail<std::vector<std::string>>(index, "an array");
    const auto array = info_[index].As<Napi::Array>();
    std::vector<std::string> values;
    for (uint32_t i = 0; i < array.Length(); i++) {
      const Napi::Value value = array.Get(i);
      if (env_.IsExceptionPending()) ok_ = false;
      if (!ok_) return {};
      values.push_back(read(value));
    }
    return values;
  }

  template <typename T>
  T Fail(size_t index, const char* wanted) {
    if (ok_) {
      const std::string message = "Argument " + std::to_string(index + 1) + " must be " + wanted;
      Napi::TypeError::New(env_, message).ThrowAsJavaScriptException();
    }
    ok_ = false;
    return T{};
  }

  const Napi::CallbackInfo& info_;
  Napi::Env env_;
  bool ok_ = true;
};

}  // namespace coral::addon
