// Locks of open file descriptions (F_OFD_SETLK, fcntl(2)). Unlike POSIX locks they belong to one
// opening of a file: two in one process exclude each other, and closing another descriptor of the
// same file does not drop them. The kernel releases them when the process ends, however it ends.
#pragma once

namespace helicorder {

// Locks the whole file without waiting. Returns 1, 0 if somebody else holds it, or -errno.
int LockFile(int fd, bool exclusive);

// Returns 0 or -errno.
int UnlockFile(int fd);

}  // namespace helicorder
