#!/bin/sh
# Builds every native/test/*_test.cc with all plain files of native/src under AddressSanitizer and
# UBSan; those with threads (ring, sampler, mark, read_ahead) under ThreadSanitizer as well; runs
# them. What computes, and so depends on the processor, also runs as 64-bit ARM where that can be
# emulated (packages g++-aarch64-linux-gnu and qemu-user-static). With a file as argument it only
# gives that input to fuzz_test.
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
flags="-std=c++20 -O1 -g -ffp-contract=off -Wall -Wextra -Werror -Wno-tsan -Inative/src -pthread"
flags="$flags -fno-sanitize-recover=all"
passed=0
failed=0

build_objects() { # sanitizers, folder
  mkdir -p "$work/$2"
  for file in native/src/*.cc; do
    case $file in */addon.cc | */binding_*) continue ;; esac
    # shellcheck disable=SC2086
    ${CXX:-g++} $flags -fsanitize=$1 -c "$file" -o "$work/$2/$(basename "$file" .cc).o" || exit 1
  done
}

run_test() { # sanitizers, folder, test
  name=$(basename "$3" .cc)
  # shellcheck disable=SC2086
  if ${CXX:-g++} $flags -fsanitize=$1 "$3" "$work/$2"/*.o -o "$work/$2/$name" && "$work/$2/$name"; then
    echo "ok      $name ($2)"
    passed=$((passed + 1))
  else
    echo "FAILED  $name ($2)"
    failed=$((failed + 1))
  fi
}

build_objects address,undefined asan
if [ $# -gt 0 ]; then
  # shellcheck disable=SC2086
  ${CXX:-g++} $flags -fsanitize=address,undefined native/test/fuzz_test.cc "$work"/asan/*.o -o "$work/fuzz" || exit 1
  "$work/fuzz" "$1"
  exit
fi
for test in native/test/*_test.cc; do run_test address,undefined asan "$test"; done
build_objects thread tsan
for test in ring sampler mark read_ahead; do run_test thread tsan native/test/${test}_test.cc; done
if command -v aarch64-linux-gnu-g++ >/dev/null && command -v qemu-aarch64-static >/dev/null; then
  sources=$(ls native/src/*.cc | grep -v -e addon.cc -e binding_)
  for test in crc32c codecs batch chain; do
    # shellcheck disable=SC2086
    if aarch64-linux-gnu-g++ -std=c++20 -O2 -Wall -Wextra -Werror -Inative/src -pthread -static \
      native/test/${test}_test.cc $sources -o "$work/${test}_arm" && qemu-aarch64-static "$work/${test}_arm"; then
      echo "ok      ${test}_test (arm64)"
      passed=$((passed + 1))
    else
      echo "FAILED  ${test}_test (arm64)"
      failed=$((failed + 1))
    fi
  done
else
  echo "skipped *_test (arm64): no cross compiler, or no emulator"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
