// What the addon parses, under the sanitizers: the inputs of test/corpus and seeded mutations of
// them. Each target runs in a process of its own; when that dies, the input it died of is written
// to a file, and the command that repeats it is printed. What is refused and what is accepted is
// held against the reference in TypeScript by test/unit/fuzz; here nothing may be touched that is
// not the decoder's, nothing large be allocated, and nothing take for ever.
//
//   fuzz_test                     HELICORDER_SEED repeats a run, HELICORDER_SOAK makes it long
//   fuzz_test DIR/<target>/FILE   one input
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <memory>

#include "batch.h"
#include "bits.h"
#include "chain.h"
#include "check.h"
#include "codecs.h"
#include "corpus.h"
#include "crc32c.h"
#include "dense.h"
#include "mark.h"
#include "network_reader.h"

// Read by the AddressSanitizer before main. No input is as large: what wants more has believed it.
extern "C" const char* __asan_default_options();
const char* __asan_default_options() { return "max_allocation_size_mb=64"; }

using namespace helicorder;

namespace {

constexpr size_t kInputMaxBytes = 64 * 1024;
constexpr size_t kColumnHeadBytes = 4;
// A few seconds of all targets together; of processor time no target may take this long.
constexpr unsigned kRounds = 60'000;
constexpr unsigned kSoakRounds = 2'000'000;
constexpr rlim_t kCpuSeconds = 300;
constexpr rlim_t kSoakCpuSeconds = 3'600;

// As large as what it holds, so that the byte behind it is nobody's.
std::unique_ptr<uint8_t[]> Exact(const uint8_t* bytes, size_t length) {
  std::unique_ptr<uint8_t[]> exact(new uint8_t[length]);
  if (length > 0) std::memcpy(exact.get(), bytes, length);
  return exact;
}

// u8 codec, u8 kind, u16 count modulo 4096, bytes. What is accepted is encoded again, both ways.
bool RunIntegers(const uint8_t* input, size_t length) {
  if (length < kColumnHeadBytes) return false;
  const size_t count = (input[2] + 256u * input[3]) % 4096;
  const size_t bytes = length - kColumnHeadBytes;
  const auto exact = Exact(input + kColumnHeadBytes, bytes);
  const std::unique_ptr<int64_t[]> values(new int64_t[count]);
  const int result = DecodeIntegers(input[0], exact.get(), bytes, values.get(), count);
  CHECK(result == 0 || result == -EBADMSG);
  if (result < 0) return false;
  const std::unique_ptr<uint8_t[]> plain(new uint8_t[IntegersBoundBytes(count)]);
  const std::unique_ptr<uint8_t[]> dense(new uint8_t[DenseBoundBytes(count)]);
  const std::unique_ptr<int64_t[]> again(new int64_t[count]);
  const EncodedColumn columns[] = {EncodeIntegers(values.get(), count, plain.get()),
                                   EncodeDense(values.get(), count, dense.get())};
  for (const auto& column : columns) {
    const auto& encoded = column.codec >= kRans ? dense : plain;
    const auto whole = Exact(encoded.get(), column.bytes);
    CHECK(DecodeIntegers(column.codec, whole.get(), column.bytes, again.get(), count) == 0);
    CHECK(std::equal(values.get(), values.get() + count, again.get()));
  }
  return true;
}

// u64 head, u64 tail, the ring's data; sources of one rate group are drained from it, as whole
// numbers and, the same bytes again, as floats.
bool RunRing(const uint8_t* input, size_t length) {
  constexpr size_t kPositions = 16;
  constexpr uint32_t kRowBytes = 48;  // header, tick, time, validity, i64, i16
  if (length < kPositions) return false;
  const size_t data = length - kPositions;
  const uint64_t capacity = std::bit_ceil(std::max<uint64_t>(data, kCapacityMin));
  const std::unique_ptr<uint64_t[]> memory(new uint64_t[(kDataAt + capacity) / 8]());
  auto* const bytes = reinterpret_cast<uint8_t*>(memory.get());
  const uint32_t head[] = {kRingMagic, kRingVersion};
  std::memcpy(bytes, head, sizeof head);
  std::memcpy(bytes + kCapacityAt, &capacity, sizeof capacity);
  std::memcpy(bytes + kHeadAt, input, 8);
  std::memcpy(bytes + kTailAt, input + 8, 8);
  std::memcpy(bytes + kDataAt, input + kPositions, data);
  RingReader ring;
  CHECK(ring.Attach(bytes, kDataAt + capacity));
  RowEncoder encoder(
      ring,
      {kRowBytes, 24, 500, 1'000'000, 1, {{{kI64, 32}}, {{kI16, 40}}, {{kF64, 32}, {kF32, 36}}}});
  Cursor cursors[3] = {};
  EntryInfo entries[4];
  Drained drained;
  // each step moves the tail, by a record of 8 bytes at least
  for (size_t steps = 0;; steps++) {
    CHECK(steps <= capacity / kRecordHeaderBytes);
    const size_t rows = 1 + steps % 7;
    const size_t bound = encoder.BoundBytes(rows);
    const std::unique_ptr<uint8_t[]> out(new uint8_t[bound]);
    if (encoder.PeekTick() < -1) return false;
    const int result = encoder.Encode(out.get(), rows, 7, cursors, entries, &drained);
    if (result <= 0) return result == 0;
    CHECK(result == 4 && drained.bytes <= bound && drained.rows <= rows);
  }
}

// The header of a ring: refused, or a ring that lies within its memory.
bool RunRingHeader(const uint8_t* input, size_t length) {
  const std::unique_ptr<uint64_t[]> memory(new uint64_t[length / 8 + 1]());
  auto* const bytes = reinterpret_cast<uint8_t*>(memory.get());
  if (length > 0) std::memcpy(bytes, input, length);
  RingReader ring;
  if (!ring.Attach(bytes, length)) return false;
  CHECK(kDataAt + ring.capacity() <= length && ring.Head() + ring.Tail() + 1 > 0);
  return true;
}

// The text of one counter of an interface.
bool RunCounter(const uint8_t* input, size_t length) {
  char root[] = "/tmp/helicorder-counter-XXXXXX";
  static const std::string kRoot = mkdtemp(root);
  const std::string folder = kRoot + "/class/net/eth9/statistics";
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/rx_bytes";
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(input), static_cast<std::streamsize>(length));
  NetworkReader reader("eth9", kRoot, {2}, {{7, 8}});
  const std::unique_ptr<uint8_t[]> row(new uint8_t[16]());
  const bool read = reader.Read(0, 0, row.get());
  std::filesystem::remove_all(kRoot);
  return read;
}

// The first 88 bytes of a page, as test/support/input-decoders.ts has it: whoever maps it reads
// four words; whether they belong together is for its caller to say.
bool RunMark(const uint8_t* input, size_t length) {
  const int fd = memfd_create("mark", MFD_CLOEXEC);
  CHECK(fd >= 0 && ftruncate(fd, Mark::kBytes) == 0);
  CHECK(pwrite(fd, input, std::min(length, Mark::kBytes), 0) >= 0);
  std::shared_ptr<Mark> mark;
  CHECK(Mark::Map(fd, false, &mark) == 0);
  close(fd);
  const MarkValues values = mark->Read();
  mark->Wait(values.word + 1, 1000);  // it has moved on already
  return values.check != 0;
}

// Any bytes as samples, as an event and under a checksum, at any address.
bool RunSums(const uint8_t* input, size_t length) {
  const size_t shift = length % 8;
  const auto bytes = Exact(input, length);
  const uint8_t* const from = bytes.get() + shift;
  const size_t left = length - shift;
  const auto seed = static_cast<uint32_t>(length * 2654435761u);
  CHECK(Crc32c(from, left, seed) == Crc32cByTable(from, left, seed));
  const uint64_t digest = ChainDigest(from, left);
  CHECK(digest == ChainDigest(Exact(from, left).get(), left));
  const size_t count = left / 8;
  const std::unique_ptr<int64_t[]> residuals(new int64_t[count]);
  if (count > 0) std::memcpy(residuals.get(), from, 8 * count);
  ChainStretch stretch = {digest, digest, digest, digest, 0, 0, 1};
  if (count > 2) {
    stretch.due_utc_nanos = residuals[0];
    stretch.period_nanos = residuals[1];
    stretch.resolution_nanos = std::max<int64_t>(1, residuals[2]);
  }
  const ChainColumn columns[] = {
      {from, ChainWords::kIs64Bit}, {from, ChainWords::kIntegers}, {from, ChainWords::kDoubles}};
  const uint64_t chain = ChainSamples(seed, stretch, residuals.get(), columns, 3, count);
  CHECK(count > 0 || chain == seed);
  return true;
}

struct Target {
  const char* name;
  const char* decoder;  // folder of the corpus
  bool (*run)(const uint8_t* input, size_t length);
  bool judges;    // are the names of the corpus about what this target refuses?
  unsigned part;  // of the rounds: those with system calls take longer
};

constexpr Target kTargets[] = {
    {"integers", "integers", RunIntegers, true, 1},
    {"ring", "ring", RunRing, true, 1},
    {"ring header", "ring-header", RunRingHeader, true, 1},
    {"counter", "counter", RunCounter, true, 40},
    {"mark", "mark", RunMark, false, 8},
    {"sums", "integers", RunSums, false, 1},
};

// Survives the process that reads it: the parent then knows what it died of.
struct Current {
  size_t length;
  uint8_t bytes[kInputMaxBytes];
};

Current* NewCurrent() {
  void* const memory =
      mmap(nullptr, sizeof(Current), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  return static_cast<Current*>(memory);
}

bool RunOne(const Target& target, const Bytes& input, Current* current) {
  current->length = std::min(input.size(), kInputMaxBytes);
  if (current->length > 0) std::memcpy(current->bytes, input.data(), current->length);
  return target.run(current->bytes, current->length);
}

void RunAll(const Target& target, uint64_t seed, Current* current) {
  const bool soak = std::getenv("HELICORDER_SOAK") != nullptr;
  const rlim_t seconds = soak ? kSoakCpuSeconds : kCpuSeconds;
  const rlimit limit{seconds, seconds};
  setrlimit(RLIMIT_CPU, &limit);
  const auto corpus = ReadCorpus(target.decoder);
  CHECK(!corpus.empty());
  for (const auto& input : corpus) {
    const bool accepted = RunOne(target, input.bytes, current);
    if (!target.judges || accepted != input.refused) continue;
    std::fprintf(stderr, "%s was %s\n", input.path.c_str(), accepted ? "accepted" : "refused");
    std::exit(1);
  }
  std::mt19937_64 random(seed);
  size_t accepted = 0;
  const unsigned rounds = (soak ? kSoakRounds : kRounds) / target.part;
  for (unsigned round = 0; round < rounds; round++) {
    accepted += RunOne(target, Mutated(corpus, random), current);
  }
  CHECK(accepted > 0);
}

std::string Kept(const Target& target, const Current& current) {
  const std::string folder = std::string("/tmp/helicorder-fuzz/") + target.decoder;
  std::filesystem::create_directories(folder);
  const uint32_t name = Crc32c(current.bytes, current.length, 0);
  char path[200];
  std::snprintf(path, sizeof path, "%s/refused-%08x.hex", folder.c_str(), name);
  std::FILE* const file = std::fopen(path, "w");
  CHECK(file != nullptr);
  std::fprintf(file, "# found by native/test/fuzz_test.cc: %s", target.name);
  for (size_t i = 0; i < current.length; i++) {
    std::fprintf(file, "%s%02x", i % 32 == 0 ? "\n" : "", current.bytes[i]);
  }
  std::fprintf(file, "\n");
  std::fclose(file);
  return path;
}

bool Survives(const Target& target, uint64_t seed, Current* current) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    RunAll(target, seed, current);
    std::exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  std::fprintf(stderr, "%s, HELICORDER_SEED=%llu\nreplay: npm run test:native -- %s\n", target.name,
               static_cast<unsigned long long>(seed), Kept(target, *current).c_str());
  return false;
}

int Replay(const std::string& path) {
  const CorpusInput input = ReadInput(path);
  const std::string decoder = std::filesystem::path(path).parent_path().filename();
  Current* const current = NewCurrent();
  int replayed = 0;
  for (const Target& target : kTargets) {
    if (decoder != target.decoder) continue;
    std::printf("%s: %s\n", target.name,
                RunOne(target, input.bytes, current) ? "accepted" : "refused");
    replayed++;
  }
  if (replayed == 0)
    std::fprintf(stderr, "%s: no target is called like its folder\n", path.c_str());
  return replayed > 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1) return Replay(arguments[1]);
  const char* const given = std::getenv("HELICORDER_SEED");
  const uint64_t seed =
      given ? std::strtoull(given, nullptr, 10) : static_cast<uint64_t>(getpid()) * 2654435761u;
  Current* const current = NewCurrent();
  bool survived = true;
  for (const Target& target : kTargets) survived = Survives(target, seed, current) && survived;
  return survived ? 0 : 1;
}
