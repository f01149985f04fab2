// The processor's CRC32C instruction takes 8 bytes with a latency of 3 cycles and a throughput of
// one per cycle, so one chain of them leaves two thirds of the unit idle. Buffers that are large
// enough are cut into three lanes that advance side by side. CRCs are linear over GF(2): the CRC of
// A‖B is (CRC of A carried over |B| zero bytes) xor (CRC of B begun at 0). Carrying over a fixed
// number of zero bytes is a 32×32 bit matrix, kept as four tables of 256 words.
//
// The instruction is looked for at run time; slicing by 8 (Kounavis and Berry, "A Systematic
// Approach to Building High Performance, Software-based, CRC Generators", 2005) is the fallback.
#include "crc32c.h"

#include <array>
#include <cstring>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;
constexpr size_t kSlices = 8;
using SliceTables = std::array<std::array<uint32_t, 256>, kSlices>;

constexpr SliceTables MakeSliceTables() {
  SliceTables tables{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
    tables[0][i] = crc;
  }
  for (size_t slice = 1; slice < kSlices; slice++) {
    for (size_t i = 0; i < 256; i++) {
      const uint32_t before = tables[slice - 1][i];
      tables[slice][i] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr SliceTables kTables = MakeSliceTables();

uint64_t Load64(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

uint32_t ByTable(const uint8_t* bytes, size_t length, uint32_t crc) {
  for (; length >= kSlices; bytes += kSlices, length -= kSlices) {
    uint64_t word = Load64(bytes) ^ crc;
    crc = 0;
    for (size_t slice = kSlices; slice-- > 0; word >>= 8) crc ^= kTables[slice][word & 0xff];
  }
  for (; length > 0; bytes++, length--) crc = (crc >> 8) ^ kTables[0][(crc ^ *bytes) & 0xff];
  return crc;
}

#if defined(__x86_64__)
#define HELICORDER_CRC_TARGET __attribute__((target("sse4.2")))
HELICORDER_CRC_TARGET inline uint64_t Step64(uint64_t crc, uint64_t word) {
  return __builtin_ia32_crc32di(crc, word);
}
HELICORDER_CRC_TARGET inline uint32_t Step8(uint32_t crc, uint8_t byte) {
  return __builtin_ia32_crc32qi(crc, byte);
}
bool HasInstruction() { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__)
#define HELICORDER_CRC_TARGET __attribute__((target("+crc")))
constexpr unsigned long kHwcapCrc32 = 1ul << 7;  // HWCAP_CRC32, <asm/hwcap.h>
HELICORDER_CRC_TARGET inline uint64_t Step64(uint64_t crc, uint64_t word) {
  return __builtin_aarch64_crc32cx(static_cast<uint32_t>(crc), word);
}
HELICORDER_CRC_TARGET inline uint32_t Step8(uint32_t crc, uint8_t byte) {
  return __builtin_aarch64_crc32cb(crc, byte);
}
bool HasInstruction() { return (getauxval(AT_HWCAP) & kHwcapCrc32) != 0; }
#endif

#if defined(HELICORDER_CRC_TARGET)

// Carries a CRC over `kBytes` zero bytes.
template <size_t kBytes>
class ZeroBytes {
 public:
  ZeroBytes() {
    static constexpr std::array<uint8_t, 256> kZeros{};
    static_assert(kBytes % kZeros.size() == 0);
    std::array<uint32_t, 32> basis;
    for (size_t bit = 0; bit < basis.size(); bit++) {
      uint32_t crc = 1u << bit;
      for (size_t done = 0; done < kBytes; done += kZeros.size()) {
        crc = ByTable(kZeros.data(), kZeros.size(), crc);
      }
      basis[bit] = crc;
    }
    for (size_t i = 0; i < tables_.size() * 256; i++) {
      uint32_t sum = 0;
      for (size_t bit = 0; bit < 8; bit++) {
        if (i >> bit & 1) sum ^= basis[i / 256 * 8 + bit];
      }
      tables_[i / 256][i % 256] = sum;
    }
  }

  uint32_t Carry(uint32_t crc) const {
    return tables_[0][crc & 0xff] ^ tables_[1][crc >> 8 & 0xff] ^ tables_[2][crc >> 16 & 0xff] ^
           tables_[3][crc >> 24];
  }

 private:
  std::array<std::array<uint32_t, 256>, 4> tables_;
};

// Takes as many runs of three lanes of `kLane` bytes as there are; what is left is the caller's.
template <size_t kLane>
HELICORDER_CRC_TARGET uint32_t ByThreeLanes(const uint8_t*& bytes, size_t& length, uint32_t crc) {
  if (length < 3 * kLane) return crc;
  static const ZeroBytes<kLane> zeros;
  for (; length >= 3 * kLane; bytes += 3 * kLane, length -= 3 * kLane) {
    uint64_t first = crc;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const uint8_t *at = bytes, *end = bytes + kLane; at < end; at += 8) {
      first = Step64(first, Load64(at));
      second = Step64(second, Load64(at + kLane));
      third = Step64(third, Load64(at + 2 * kLane));
    }
    const uint32_t two = zeros.Carry(static_cast<uint32_t>(first)) ^ static_cast<uint32_t>(second);
    crc = zeros.Carry(two) ^ static_cast<uint32_t>(third);
  }
  return crc;
}

HELICORDER_CRC_TARGET uint32_t ByInstruction(const uint8_t* bytes, size_t length, uint32_t crc) {
  crc = ByThreeLanes<4096>(bytes, length, crc);
  crc = ByThreeLanes<256>(bytes, length, crc);
  uint64_t wide = crc;
  for (; length >= 8; bytes += 8, length -= 8) wide = Step64(wide, Load64(bytes));
  crc = static_cast<uint32_t>(wide);
  for (; length > 0; bytes++, length--) crc = Step8(crc, *bytes);
  return crc;
}

#endif

}  // namespace

uint32_t Crc32cByTable(const void* bytes, size_t length, uint32_t seed) {
  return ~ByTable(static_cast<const uint8_t*>(bytes), length, ~seed);
}

uint32_t Crc32c(const void* bytes, size_t length, uint32_t seed) {
#if defined(HELICORDER_CRC_TARGET)
  if (HasInstruction()) return ~ByInstruction(static_cast<const uint8_t*>(bytes), length, ~seed);
#endif
  return Crc32cByTable(bytes, length, seed);
}
