// The processor's hint that a loop waits: saves power, and leaves the core to its other thread.
#pragma once

namespace helicorder {

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();  // PAUSE: Intel 64 and IA-32 Software Developer's Manual, volume 2
#elif defined(__aarch64__)
  __asm__ volatile("yield" ::: "memory");  // YIELD: Arm Architecture Reference Manual, C6.2
#endif
}

}  // namespace helicorder
