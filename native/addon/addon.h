// Declares the registration functions of the addon, one per native folder, and what the folders'
// halves of the border need of each other.
#pragma once

#include <napi.h>

#include <memory>

#include "io/data_source.h"

namespace coral::addon {

void RegisterIo(Napi::Env env, Napi::Object exports);
void RegisterIoBatch(Napi::Env env, Napi::Object exports);
void RegisterIoShare(Napi::Env env, Napi::Object exports);
void RegisterExport(Napi::Env env, Napi::Object exports);
void RegisterFuse(Napi::Env env, Napi::Object exports);
void RegisterContent(Napi::Env env, Napi::Object exports);
void RegisterLibfuse2(Napi::Env env, Napi::Object exports);

// Keeps a class for as long as the environment: for the function that makes its objects.
inline std::shared_ptr<Napi::FunctionReference> NewClass(Napi::Function constructor) {
  auto kept = std::make_shared<Napi::FunctionReference>(Napi::Persistent(constructor));
  kept->SuppressDestruct();
  return kept;
}

// What a PlanHandle reads from; null where `plan_handle` is none, or closed.
std::shared_ptr<DataSource> DataSourceOf(Napi::Value plan_handle);

}  // namespace coral::addon
