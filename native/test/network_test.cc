// An interface that vanishes makes reads fail, and goes on by name when it is back.
#include <cstring>
#include <filesystem>
#include <fstream>

#include "check.h"
#include "network_reader.h"

using helicorder::NetworkReader;

int main() {
  char root[] = "/tmp/network_test_XXXXXX";
  CHECK(mkdtemp(root) != nullptr);
  const std::string folder = std::string(root) + "/class/net/eth9/statistics";
  std::filesystem::create_directories(folder);
  const std::string file = folder + "/rx_bytes";
  std::ofstream(file) << "18446744073709551615\n";
  NetworkReader reader("eth9", root, {2}, {{7, 32}});
  uint64_t row[5] = {};
  auto* bytes = reinterpret_cast<uint8_t*>(row);
  CHECK(reader.Read(0, 0, bytes) && row[4] == UINT64_MAX && !reader.UsesNetlink());
  std::ofstream(file, std::ios::trunc).flush();
  CHECK(!reader.Read(1, 1'000'000, bytes));
  std::ofstream(file) << "42\n";
  CHECK(!reader.Read(2, 2'000'000, bytes));  // within the back-off
  CHECK(reader.Read(3, 12'000'000, bytes) && row[4] == 42);
  std::filesystem::remove_all(root);
}
