#include "addon/addon.h"

namespace coral::addon {

void RegisterFuse(Napi::Env, Napi::Object) {}

}  // namespace coral::addon
