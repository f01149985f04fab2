#include "network_reader.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace helicorder {

const char* const kNetworkCounterNames[kNetworkCounters] = {
    "rx_packets",        "tx_packets",        "rx_bytes",         "tx_bytes",
    "rx_errors",         "tx_errors",         "rx_dropped",       "tx_dropped",
    "multicast",         "collisions",        "rx_length_errors", "rx_over_errors",
    "rx_crc_errors",     "rx_frame_errors",   "rx_fifo_errors",   "rx_missed_errors",
    "tx_aborted_errors", "tx_carrier_errors", "tx_fifo_errors",   "tx_heartbeat_errors",
    "tx_window_errors",  "rx_compressed",     "tx_compressed",    "rx_nohandler"};

namespace {

constexpr int64_t kBackoffMinNanos = 10'000'000;
constexpr int64_t kBackoffMaxNanos = 1'000'000'000;
constexpr int64_t kNameCheckNanos = 1'000'000'000;
// The kernel answers inside send(2); waiting at all means that something is wrong.
constexpr timeval kReceiveTimeout = {0, 2000};

struct StatsRequest {
  nlmsghdr header;
  if_stats_msg stats;
};

}  // namespace

NetworkReader::NetworkReader(std::string name, std::string sysfs_root,
                             std::vector<uint32_t> counters, std::vector<RowChannel> channels)
    : name_(std::move(name)),
      counters_(std::move(counters)),
      channels_(std::move(channels)),
      netlink_allowed_(sysfs_root == "/sys"),
      backoff_nanos_(kBackoffMinNanos) {
  const std::string folder = sysfs_root + "/class/net/" + name_ + "/statistics/";
  for (const uint32_t counter : counters_) paths_.push_back(folder + kNetworkCounterNames[counter]);
  files_.assign(counters_.size(), -1);
  size_t row_bytes = 0;
  for (const RowChannel& channel : channels_) {
    row_bytes = std::max(row_bytes, channel.row_offset + sizeof(uint64_t));
  }
  probe_.resize(row_bytes);
  open_ = Open();
}

NetworkReader::~NetworkReader() { Close(); }

bool NetworkReader::Read(uint64_t, int64_t now_nanos, uint8_t* row) {
  if (!open_) {
    if (now_nanos < retry_at_nanos_) return false;
    open_ = Open();
    name_check_at_nanos_ = now_nanos + kNameCheckNanos;
  }
  if (open_ && HasName(now_nanos) && (socket_ >= 0 ? ReadNetlink(row) : ReadFiles(row))) {
    backoff_nanos_ = kBackoffMinNanos;
    return true;
  }
  Close();
  retry_at_nanos_ = now_nanos + backoff_nanos_;
  backoff_nanos_ = std::min(2 * backoff_nanos_, kBackoffMaxNanos);
  return false;
}

bool NetworkReader::Open() { return (netlink_allowed_ && OpenNetlink()) || OpenFiles(); }

bool NetworkReader::OpenNetlink() {
  index_ = if_nametoindex(name_.c_str());
  if (index_ == 0) return false;
  socket_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (socket_ < 0) return false;
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kReceiveTimeout, sizeof kReceiveTimeout);
  // A kernel or sandbox without RTM_GETSTATS shows itself at once; the files will do then.
  if (ReadNetlink(probe_.data())) return true;
  close(socket_);
  socket_ = -1;
  return false;
}

bool NetworkReader::OpenFiles() {
  for (size_t i = 0; i < paths_.size(); i++) {
    files_[i] = open(paths_[i].c_str(), O_RDONLY | O_CLOEXEC);
    if (files_[i] >= 0) continue;
    Close();
    return false;
  }
  return true;
}

bool NetworkReader::HasName(int64_t now_nanos) {
  if (now_nanos < name_check_at_nanos_) return true;
  name_check_at_nanos_ = now_nanos + kNameCheckNanos;
  if (socket_ < 0) {
    struct stat named, opened;
    return stat(paths_[0].c_str(), &named) == 0 && fstat(files_[0], &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
  }
  ifreq request = {};
  std::strncpy(request.ifr_name, name_.c_str(), IFNAMSIZ - 1);
  return ioctl(socket_, SIOCGIFINDEX, &request) == 0 &&
         request.ifr_ifindex == static_cast<int>(index_);
}

void NetworkReader::Close() {
  open_ = false;
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
  for (int& file : files_) {
    if (file >= 0) close(file);
    file = -1;
  }
}

bool NetworkReader::ReadNetlink(uint8_t* row) {
  StatsRequest request = {};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETSTATS;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.header.nlmsg_seq = ++sequence_;
  request.stats.ifindex = index_;
  request.stats.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
  if (send(socket_, &request, sizeof request, 0) != sizeof request) return false;
  alignas(8) uint8_t reply[1024];
  // An answer that came too late for an earlier request may still be queued: at most a few.
  for (int attempt = 0; attempt < 4; attempt++) {
    const ssize_t received = recv(socket_, reply, sizeof reply, 0);
    if (received < static_cast<ssize_t>(sizeof(nlmsghdr))) return false;
    nlmsghdr header;
    std::memcpy(&header, reply, sizeof header);
    if (header.nlmsg_seq != sequence_) continue;
    if (header.nlmsg_type != RTM_NEWSTATS) return false;
    return StoreStats(reply, std::min<size_t>(static_cast<size_t>(received), header.nlmsg_len),
                      row);
  }
  return false;
}

bool NetworkReader::StoreStats(const uint8_t* message, size_t length, uint8_t* row) const {
  size_t at = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(if_stats_msg)));
  while (at + sizeof(rtattr) <= length) {
    rtattr attribute;
    std::memcpy(&attribute, message + at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > length - at) return false;
    if (attribute.rta_type != IFLA_STATS_LINK_64) {
      at += RTA_ALIGN(attribute.rta_len);
      continue;
    }
    const size_t present = (attribute.rta_len - sizeof attribute) / sizeof(uint64_t);
    const uint8_t* stats = message + at + sizeof attribute;
    for (size_t i = 0; i < channels_.size(); i++) {
      // older kernels end the struct earlier; what they do not count is 0, as in `ip -s link`
      uint64_t value = 0;
      if (counters_[i] < present) std::memcpy(&value, stats + 8 * counters_[i], sizeof value);
      std::memcpy(row + channels_[i].row_offset, &value, sizeof value);
    }
    return true;
  }
  return false;
}

bool NetworkReader::ReadFiles(uint8_t* row) {
  for (size_t i = 0; i < files_.size(); i++) {
    char text[24];
    const ssize_t length = pread(files_[i], text, sizeof text, 0);
    if (length <= 0) return false;
    uint64_t value = 0;
    ssize_t digits = 0;
    for (; digits < length && text[digits] >= '0' && text[digits] <= '9'; digits++) {
      value = value * 10 + static_cast<uint64_t>(text[digits] - '0');
    }
    if (digits == 0) return false;
    std::memcpy(row + channels_[i].row_offset, &value, sizeof value);
  }
  return true;
}

}  // namespace helicorder
