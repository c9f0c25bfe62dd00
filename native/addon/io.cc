#include "addon/addon.h"

namespace coral::addon {

void RegisterIo(Napi::Env, Napi::Object) {}

}  // namespace coral::addon
