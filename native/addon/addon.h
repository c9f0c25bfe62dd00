// Declares the registration functions of the addon, one per native folder.
#pragma once

#include <napi.h>

namespace coral::addon {

void RegisterIo(Napi::Env env, Napi::Object exports);
void RegisterFuse(Napi::Env env, Napi::Object exports);
void RegisterContent(Napi::Env env, Napi::Object exports);

}  // namespace coral::addon
