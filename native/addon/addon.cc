// The JavaScript border: registers what each native folder offers. Only this folder knows Node-API.
#include "addon/addon.h"

namespace coral::addon {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  RegisterIo(env, exports);
  RegisterIoBatch(env, exports);
  RegisterIoShare(env, exports);
  RegisterExport(env, exports);
  RegisterFuse(env, exports);
  RegisterContent(env, exports);
  RegisterLibfuse2(env, exports);
  return exports;
}

NODE_API_MODULE(coral_reef, Init)

}  // namespace coral::addon
