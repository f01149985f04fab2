#include "file_lock.h"

#include <fcntl.h>

#include <cerrno>

namespace helicorder {

namespace {

int Set(int fd, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

}  // namespace

int LockFile(int fd, bool exclusive) {
  const int result = Set(fd, exclusive ? F_WRLCK : F_RDLCK);
  if (result == 0) return 1;
  return result == -EAGAIN || result == -EACCES ? 0 : result;
}

int UnlockFile(int fd) { return Set(fd, F_UNLCK); }

}  // namespace helicorder
