// test/corpus for C++: the files of one decoder, and seeded mutations of them. The format of the
// files, and what their names mean, is in test/support/corpus.ts.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

using Bytes = std::vector<uint8_t>;

struct CorpusInput {
  std::string path;
  Bytes bytes;
  bool refused;
};

inline Bytes FromHex(const std::string& text) {
  Bytes bytes;
  int high = -1;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '#') i = std::min(text.find('\n', i), text.size() - 1);
    const auto digit = static_cast<unsigned char>(text[i]);
    if (!std::isxdigit(digit)) continue;
    const int value = std::isdigit(digit) ? digit - '0' : std::tolower(digit) - 'a' + 10;
    if (high < 0) {
      high = value;
      continue;
    }
    bytes.push_back(static_cast<uint8_t>(high << 4 | value));
    high = -1;
  }
  return bytes;
}

inline CorpusInput ReadInput(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const bool hex = path.extension() == ".hex";
  return {path.string(), hex ? FromHex(text) : Bytes(text.begin(), text.end()),
          path.filename().string().starts_with("refused-")};
}

// In the order of their names; from the root of the repository.
inline std::vector<CorpusInput> ReadCorpus(const std::string& decoder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator("test/corpus/" + decoder)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<CorpusInput> inputs;
  for (const auto& path : paths) inputs.push_back(ReadInput(path));
  return inputs;
}

// One to four of: a bit, a cut, a splice of another, a number at an extreme, a piece less or more.
inline Bytes Mutated(const std::vector<CorpusInput>& corpus, std::mt19937_64& random) {
  static constexpr uint32_t kExtremes[] = {0,      1,          0x7f,       0xff,      0x7fff,
                                           0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
  const auto any = [&]() -> const Bytes& { return corpus[random() % corpus.size()].bytes; };
  Bytes input = any();
  for (unsigned changes = 1 + random() % 4; changes > 0; changes--) {
    const auto at = static_cast<ptrdiff_t>(random() % (input.size() + 1));
    const auto left = static_cast<ptrdiff_t>(input.size()) - at;
    const auto some = std::min<ptrdiff_t>(left, static_cast<ptrdiff_t>(random() % 32));
    switch (random() % 6) {
      case 0:
        if (left > 0) input[static_cast<size_t>(at)] ^= static_cast<uint8_t>(1 << random() % 8);
        break;
      case 1:
        input.resize(static_cast<size_t>(at));
        break;
      case 2: {
        const Bytes& other = any();
        const auto from = static_cast<ptrdiff_t>(random() % (other.size() + 1));
        input.resize(static_cast<size_t>(at));
        input.insert(input.end(), other.begin() + from, other.end());
        break;
      }
      case 3:
        if (left >= 4) std::memcpy(&input[static_cast<size_t>(at)], &kExtremes[random() % 9], 4);
        break;
      case 4:
        input.erase(input.begin() + at, input.begin() + at + some);
        break;
      default: {
        const Bytes piece(input.begin() + at, input.begin() + at + some);
        input.insert(input.begin() + at, piece.begin(), piece.end());
      }
    }
  }
  return input;
}
