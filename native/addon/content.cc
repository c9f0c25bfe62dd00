#include "addon/addon.h"

namespace coral::addon {

void RegisterContent(Napi::Env, Napi::Object) {}

}  // namespace coral::addon
