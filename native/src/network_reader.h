// Counters of one network interface, as the kernel keeps them (struct rtnl_link_stats64).
//
// One RTM_GETSTATS request per read over a netlink socket: all counters in one consistent answer,
// in two system calls. Where that is not possible (an old kernel, a sandbox, or a root other than
// /sys, as in tests) the files of <root>/class/net/<name>/statistics are kept open and pread.
// An interface that vanishes makes reads fail; it is looked up again *by name* after 10 ms, 20 ms …
// 1 s, so an interface that was unplugged and came back with another index goes on. One that gets
// another name is noticed within a second: whatever has the name by then is read from there on. All
// memory is taken by the constructor.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "source.h"

namespace helicorder {

// Names of the counters in the order of rtnl_link_stats64; also the order of drivers/network.ts.
inline constexpr size_t kNetworkCounters = 24;
extern const char* const kNetworkCounterNames[kNetworkCounters];

class NetworkReader final : public Source {
 public:
  // `counters[i]`, an index below kNetworkCounters, goes to channels[i], a u64.
  NetworkReader(std::string name, std::string sysfs_root, std::vector<uint32_t> counters,
                std::vector<RowChannel> channels);
  ~NetworkReader() override;
  NetworkReader(const NetworkReader&) = delete;
  NetworkReader& operator=(const NetworkReader&) = delete;

  bool Read(uint64_t tick, int64_t now_nanos, uint8_t* row) override;
  // True while reads go through netlink.
  bool UsesNetlink() const { return socket_ >= 0; }

 private:
  bool Open();
  bool OpenNetlink();
  bool OpenFiles();
  // False once a second's look at the name finds another interface, or none.
  bool HasName(int64_t now_nanos);
  void Close();
  bool ReadNetlink(uint8_t* row);
  bool ReadFiles(uint8_t* row);
  bool StoreStats(const uint8_t* message, size_t length, uint8_t* row) const;

  std::string name_;
  std::vector<uint32_t> counters_;
  std::vector<RowChannel> channels_;
  std::vector<std::string> paths_;
  std::vector<int> files_;
  std::vector<uint8_t> probe_;  // a row for the first answer, which nobody reads
  bool netlink_allowed_;
  bool open_ = false;
  int socket_ = -1;
  uint32_t index_ = 0;
  uint32_t sequence_ = 0;
  int64_t retry_at_nanos_ = 0;
  int64_t name_check_at_nanos_ = 0;
  int64_t backoff_nanos_;
};

}  // namespace helicorder
