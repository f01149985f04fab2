// Registration only. What a room of the engine needs from the addon is bound in binding_<room>.cc,
// which checks arguments; everything else in this folder is plain C++ without Node-API headers.
#include "bindings.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  if (BindFiles) BindFiles(env, exports);
  if (BindMark) BindMark(env, exports);
  if (BindBatch) BindBatch(env, exports);
  if (BindChain) BindChain(env, exports);
  if (BindSampler) BindSampler(env, exports);
  return exports;
}

NODE_API_MODULE(helicorder, Init)
