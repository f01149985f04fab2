// Threads of the addon: joinable, each with a stack of the size it needs.
#pragma once

#include <pthread.h>

#include <cstddef>

namespace helicorder {

// Returns 0 or -errno.
inline int StartThread(pthread_t* thread, size_t stack_bytes, void* (*main)(void*), void* self) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  const int error = pthread_create(thread, &attributes, main, self);
  pthread_attr_destroy(&attributes);
  return -error;
}

}  // namespace helicorder
