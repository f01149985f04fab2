// CRC32C (Castagnoli, polynomial 0x1EDC6F41 reflected), as every format here uses it.
#pragma once

#include <cstddef>
#include <cstdint>

// Continues from `seed` (0 to begin). "123456789" → 0xe3069283. Any thread.
uint32_t Crc32c(const void* bytes, size_t length, uint32_t seed);

// The same without the processor's instruction: what runs where there is none, and the reference
// that the tests hold against it.
uint32_t Crc32cByTable(const void* bytes, size_t length, uint32_t seed);
