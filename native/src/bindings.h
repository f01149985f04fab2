// The functions by which the rooms register what native/index.ts declares.
#pragma once

#include <napi.h>

void __attribute__((weak)) BindFiles(Napi::Env env, Napi::Object exports);
void __attribute__((weak)) BindMark(Napi::Env env, Napi::Object exports);
void __attribute__((weak)) BindBatch(Napi::Env env, Napi::Object exports);
void __attribute__((weak)) BindChain(Napi::Env env, Napi::Object exports);
void __attribute__((weak)) BindSampler(Napi::Env env, Napi::Object exports);
