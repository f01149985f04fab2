// Both ways to an interface's counters, netlink and files, give what the kernel has; an interface
// that vanishes makes reads fail, and goes on by name when it is back, without taking memory.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>

#include "check.h"
#include "network_reader.h"

using namespace helicorder;

namespace {

size_t allocations = 0;

constexpr int64_t kMilli = 1'000'000;
constexpr uint32_t kFirstValueAt = 32;
constexpr uint32_t kRxPackets = 0, kRxBytes = 2;

// A row with room for every counter.
struct Row {
  uint64_t words[kFirstValueAt / 8 + kNetworkCounters] = {};
  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(words); }
  uint64_t value(size_t channel) const { return words[kFirstValueAt / 8 + channel]; }
};

std::vector<RowChannel> Channels(size_t count) {
  std::vector<RowChannel> channels;
  for (uint32_t i = 0; i < count; i++) channels.push_back({7, kFirstValueAt + 8 * i});
  return channels;
}

// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() { CHECK(mkdtemp(path_) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_; }

 private:
  char path_[32] = "/tmp/network_test_XXXXXX";
};

void FilesThatFailAreTriedAgainAfterTheBackOff() {
  const Folder root;
  const std::string folder = root.path() + "/class/net/eth9/statistics";
  std::filesystem::create_directories(folder);
  const std::string file = folder + "/rx_bytes";
  std::ofstream(file) << "18446744073709551615\n";
  NetworkReader reader("eth9", root.path(), {kRxBytes}, Channels(1));
  Row row;
  CHECK(reader.Read(0, 0, row.bytes()) && row.value(0) == UINT64_MAX && !reader.UsesNetlink());
  std::ofstream(file, std::ios::trunc).flush();
  CHECK(!reader.Read(1, 1 * kMilli, row.bytes()));
  std::ofstream(file) << "42\n";
  CHECK(!reader.Read(2, 2 * kMilli, row.bytes()));  // within the back-off
  CHECK(reader.Read(3, 12 * kMilli, row.bytes()) && row.value(0) == 42);
}

// As an interface's folder of sysfs is, where another one gets its name.
void FilesThatAreReplacedAreOpenedAgain() {
  const Folder root;
  const std::string folder = root.path() + "/class/net/eth9/statistics";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/rx_bytes") << "7\n";
  NetworkReader reader("eth9", root.path(), {kRxBytes}, Channels(1));
  Row row;
  CHECK(reader.Read(0, 0, row.bytes()) && row.value(0) == 7);
  std::ofstream(folder + "/next") << "8\n";
  std::filesystem::rename(folder + "/next", folder + "/rx_bytes");
  CHECK(!reader.Read(1000, 1000 * kMilli, row.bytes()));
  CHECK(reader.Read(1010, 1010 * kMilli, row.bytes()) && row.value(0) == 8);
}

uint64_t KernelsFile(size_t counter) {
  uint64_t value = 0;
  std::ifstream file(std::string("/sys/class/net/lo/statistics/") + kNetworkCounterNames[counter]);
  CHECK(file >> value);
  return value;
}

void MakeTraffic() {
  const int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in discard = {};
  discard.sin_family = AF_INET;
  discard.sin_port = htons(9);
  discard.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sendto(socket_fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&discard), sizeof discard);
  close(socket_fd);
}

// RTM_GETSTATS came with Linux 4.7.
bool KernelHasGetStats() {
  utsname name;
  int major = 0, minor = 0;
  uname(&name);
  return std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         (major > 4 || (major == 4 && minor >= 7));
}

// Counters only grow, so each value lies between what the kernel's files say before and after.
void LoopbackLiesBetweenTwoReadingsOfTheKernelsFiles(const char* root) {
  std::vector<uint32_t> counters;
  for (uint32_t i = 0; i < kNetworkCounters; i++) counters.push_back(i);
  NetworkReader reader("lo", root, counters, Channels(kNetworkCounters));
  for (int round = 0; round < 20; round++) {
    MakeTraffic();
    uint64_t before[kNetworkCounters];
    for (size_t i = 0; i < kNetworkCounters; i++) before[i] = KernelsFile(i);
    Row row;
    CHECK(reader.Read(0, 0, row.bytes()));
    for (size_t i = 0; i < kNetworkCounters; i++) {
      CHECK(before[i] <= row.value(i) && row.value(i) <= KernelsFile(i));
    }
  }
  std::printf("network: lo under %s is served by %s\n", root,
              reader.UsesNetlink() ? "netlink" : "files");
  CHECK(reader.UsesNetlink() == (std::strcmp(root, "/sys") == 0 && KernelHasGetStats()));
}

// An interface that lives as long as this object and receives what it is told to.
class Tap {
 public:
  explicit Tap(const char* name) : device_(open("/dev/net/tun", O_RDWR | O_CLOEXEC)) {
    ifreq request = {};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    CHECK(ioctl(device_, TUNSETIFF, &request) == 0);
    request.ifr_flags = IFF_UP;
    const int any_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(ioctl(any_socket, SIOCSIFFLAGS, &request) == 0);
    close(any_socket);
  }
  ~Tap() { close(device_); }
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  void Receive(int frames) {
    const uint8_t frame[kFrameBytes] = {};
    for (int i = 0; i < frames; i++) CHECK(write(device_, frame, sizeof frame) == sizeof frame);
  }

  static constexpr size_t kFrameBytes = 60;

 private:
  int device_;
};

void AnInterfaceThatComesBackGoesOn(const std::string& root) {
  std::optional<Tap> tap(std::in_place, "heli0");
  const uint32_t first_index = if_nametoindex("heli0");
  NetworkReader reader("heli0", root, {kRxPackets, kRxBytes}, Channels(2));
  Row row;
  CHECK(reader.Read(0, 0, row.bytes()) && row.value(0) == 0);
  tap->Receive(3);
  CHECK(reader.Read(1, kMilli, row.bytes()));
  CHECK(row.value(0) == 3 && row.value(1) == 3 * Tap::kFrameBytes);
  CHECK(reader.UsesNetlink() == (root == "/sys" && KernelHasGetStats()));
  tap.reset();
  const size_t allocations_before = allocations;
  CHECK(!reader.Read(2, 2 * kMilli, row.bytes()));    // tried again in 10 ms
  CHECK(!reader.Read(12, 12 * kMilli, row.bytes()));  // and then in 20 ms
  const size_t allocations_while_away = allocations - allocations_before;
  tap.emplace("heli0");
  CHECK(if_nametoindex("heli0") != first_index);
  tap->Receive(1);
  const size_t allocations_at_return = allocations;
  CHECK(!reader.Read(31, 31 * kMilli, row.bytes()));
  CHECK(reader.Read(32, 32 * kMilli, row.bytes()) && row.value(0) == 1);
  CHECK(allocations_while_away == 0 && allocations == allocations_at_return);
}

void Rename(const char* from, const char* to) {
  ifreq request = {};
  std::strncpy(request.ifr_name, from, IFNAMSIZ);
  std::strncpy(request.ifr_newname, to, IFNAMSIZ);
  const int any_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq state = {};
  std::strncpy(state.ifr_name, from, IFNAMSIZ);
  CHECK(ioctl(any_socket, SIOCSIFFLAGS, &state) == 0);  // older kernels rename what is down only
  CHECK(ioctl(any_socket, SIOCSIFNAME, &request) == 0);
  std::strncpy(state.ifr_name, to, IFNAMSIZ);
  state.ifr_flags = IFF_UP;
  CHECK(ioctl(any_socket, SIOCSIFFLAGS, &state) == 0);
  close(any_socket);
}

void ANameThatAnotherInterfaceHasIsReadFromThatOne(const std::string& root) {
  Tap renamed("heli1");
  renamed.Receive(5);
  NetworkReader reader("heli1", root, {kRxPackets}, Channels(1));
  Row row;
  CHECK(reader.Read(0, 0, row.bytes()) && row.value(0) == 5);
  const size_t allocations_before = allocations;
  Rename("heli1", "heli2");
  CHECK(!reader.Read(1000, 1000 * kMilli, row.bytes()));  // within a second
  CHECK(!reader.Read(1010, 1010 * kMilli, row.bytes()));
  CHECK(allocations == allocations_before);
  Tap next("heli1");
  next.Receive(2);
  CHECK(reader.Read(1030, 1030 * kMilli, row.bytes()) && row.value(0) == 2);
  CHECK(reader.Read(3000, 3000 * kMilli, row.bytes()) && row.value(0) == 2);
}

// Interfaces come and go in a network namespace of the test's own; the machine's are left alone.
void ATapThatVanishesInANamespaceOfItsOwn() {
  if (access("/dev/net/tun", R_OK | W_OK) != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) {
    std::fprintf(stderr, "SKIPPED: network: a vanishing interface needs root and /dev/net/tun\n");
    return;
  }
  if (KernelHasGetStats()) {
    AnInterfaceThatComesBackGoesOn("/sys");
    ANameThatAnotherInterfaceHasIsReadFromThatOne("/sys");
  }
  // sysfs shows the interfaces of the namespace that mounted it
  const Folder root;
  const bool is_mounted = mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                          mount("sysfs", root.path().c_str(), "sysfs", MS_RDONLY, nullptr) == 0;
  if (!is_mounted) {
    std::fprintf(stderr, "SKIPPED: network: a vanishing interface by its files: no mount\n");
    return;
  }
  AnInterfaceThatComesBackGoesOn(root.path());
  ANameThatAnotherInterfaceHasIsReadFromThatOne(root.path());
  CHECK(umount(root.path().c_str()) == 0);
}

}  // namespace

void* operator new(size_t bytes) {
  allocations++;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

int main() {
  FilesThatFailAreTriedAgainAfterTheBackOff();
  FilesThatAreReplacedAreOpenedAgain();
  LoopbackLiesBetweenTwoReadingsOfTheKernelsFiles("/sys");
  LoopbackLiesBetweenTwoReadingsOfTheKernelsFiles("/sys/");
  ATapThatVanishesInANamespaceOfItsOwn();
}
