// Varints, zigzag and bit packing of the formats (docs/format-batch.md). Writers go into memory
// whose size the caller has computed beforehand; the reader takes bytes that anybody may have made.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

namespace helicorder {

inline constexpr size_t kVarintMaxBytes = 10;
// Pack() stores whole words: up to this many bytes behind what it returns are overwritten.
inline constexpr size_t kPackSlackBytes = 8;

// A value that may lie anywhere.
template <typename T>
inline T Load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline uint64_t Zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

inline int64_t Unzigzag(uint64_t value) {
  return static_cast<int64_t>((value >> 1) ^ (0 - (value & 1)));
}

inline uint8_t* PutVarint(uint8_t* out, uint64_t value) {
  for (; value > 0x7f; value >>= 7) *out++ = static_cast<uint8_t>(value) | 0x80;
  *out++ = static_cast<uint8_t>(value);
  return out;
}

inline uint8_t* PutSvarint(uint8_t* out, int64_t value) { return PutVarint(out, Zigzag(value)); }

inline size_t VarintBytes(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

inline size_t PackedBytes(size_t count, unsigned width) { return (count * width + 7) / 8; }

inline uint64_t LowMask(unsigned width) { return width == 64 ? ~0ull : (1ull << width) - 1; }

// Writes the low `width` (0–64) bits of each value, LSB first; may overwrite kPackSlackBytes more.
// `values` are used up. Each step of the loop waits for the one before it, so values of up to 28
// bits are first joined in pairs, which is done side by side: half the steps, and a quarter up
// to 14.
inline uint8_t* Pack(uint8_t* out, uint64_t* values, size_t count, unsigned width) {
  uint8_t* const end = out + PackedBytes(count, width);
  for (; width > 0 && width <= 28 && count > 1; width *= 2) {
    const uint64_t low = LowMask(width);
    for (size_t i = 0; i < count / 2; i++) {
      values[i] = (values[2 * i] & low) | (values[2 * i + 1] & low) << width;
    }
    if (count % 2 == 1) values[count / 2] = values[count - 1] & low;
    count = (count + 1) / 2;
  }
  const uint64_t mask = LowMask(width);
  if (width <= 56) {  // with at most 7 bits held over, a value still fits into the word
    uint64_t word = 0;
    unsigned held = 0;
    for (size_t i = 0; i < count; i++) {
      word |= (values[i] & mask) << held;
      std::memcpy(out, &word, sizeof word);
      held += width;
      out += held >> 3;
      word >>= held & ~7u;
      held &= 7;
    }
    return end;
  }
  unsigned __int128 word = 0;
  unsigned held = 0;
  for (size_t i = 0; i < count; i++) {
    word |= static_cast<unsigned __int128>(values[i] & mask) << held;
    for (held += width; held >= 8; held -= 8, word >>= 8) *out++ = static_cast<uint8_t>(word);
  }
  if (held > 0) *out = static_cast<uint8_t>(word);
  return end;
}

// Never reads outside its bytes; every function is false, and stays false, once they ran out.
class ByteReader {
 public:
  ByteReader(const uint8_t* bytes, size_t length) : at_(bytes), end_(bytes + length) {}

  size_t left() const { return static_cast<size_t>(end_ - at_); }

  bool U8(uint8_t* value) {
    if (at_ == end_) return false;
    *value = *at_++;
    return true;
  }

  bool Varint(uint64_t* value) {
    *value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      uint8_t byte;
      if (!U8(&byte)) return false;
      if (shift == 63 && byte > 1) return false;
      *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool Svarint(int64_t* value) {
    uint64_t zigzag;
    if (!Varint(&zigzag)) return false;
    *value = Unzigzag(zigzag);
    return true;
  }

  bool Take(size_t length, const uint8_t** bytes) {
    if (length > left()) return false;
    *bytes = at_;
    at_ += length;
    return true;
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

}  // namespace helicorder
