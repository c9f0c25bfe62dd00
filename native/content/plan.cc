#include "content/plan.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "content/chunk_cache.h"
#include "io/copy_buffer.h"
#include "io/copy_bytes.h"
#include "io/copy_writeback.h"

namespace coral {

namespace {

constexpr uint64_t kMaxOffset = uint64_t{1} << 53;
// Bytes that a walk through the whole file reads at once.
constexpr uint64_t kGroupBytes = 1 << 20;
// Decoding so much takes about as long as having another thread do it.
constexpr uint64_t kSmallFile = 64 << 10;
// Bytes of records before a chunk of which the same is true.
constexpr uint64_t kSmallChain = 16 << 10;
// Chains that a check goes on with.
constexpr size_t kCheckedChains = 16;
// A smaller share of a chain is copied out of it: an answer must not hold many chains.
constexpr size_t kShareOfChain = 16;

bool RowIsValid(const PlanDescription& rows, size_t i) {
  if (rows.lengths[i] == 0) return false;
  if (rows.packs[i] == kZeroRow) return true;
  if (rows.packs[i] == kLostRow) return rows.lengths[i] <= kMaxChunk;
  if (rows.packs[i] < 0) return false;
  return static_cast<size_t>(rows.packs[i]) < rows.pack_paths.size() &&
         rows.lengths[i] <= kMaxChunk && rows.stored[i] > kRecordHeaderSize &&
         rows.stored[i] <= kRecordHeaderSize + kMaxChunk && rows.offsets[i] >= kFirstRecord &&
         rows.offsets[i] <= kMaxOffset;
}

bool IsValid(const PlanDescription& rows) {
  const size_t count = rows.lengths.size();
  if (rows.packs.size() != count || rows.offsets.size() != count || rows.stored.size() != count ||
      rows.pack_ids.size() != rows.pack_paths.size()) {
    return false;
  }
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) {
    if (!RowIsValid(rows, i)) return false;
    sum += rows.lengths[i];
  }
  return sum == rows.size && sum <= kMaxOffset;
}

}  // namespace

// What is wanted of the file: [begin, end), where to put it, and whether parts may come from
// memory.
struct Plan::Request {
  uint64_t begin;
  uint64_t end;
  bool cached;
  ReadResult* out;
  Damage* damage;
  bool at_once = false;      // Fails where a medium would have to be waited for.
  bool from_medium = false;  // Nothing may come from memory.
  // Then: the chains that were read last, by PackFile::id.
  std::vector<std::pair<uint64_t, std::shared_ptr<SharedChain>>> chains = {};
};

// Records side by side in one pack: chunks [first, last), read at once.
struct Plan::Run {
  size_t first;
  size_t last;
  uint64_t bytes;
  uint64_t seed;
};

Status Plan::Open(PlanDescription description, std::shared_ptr<Plan>* plan) {
  if (!IsValid(description)) return Status::Error(EINVAL, "open plan");
  auto opened = std::make_shared<Plan>(std::move(description));
  for (const auto& path : opened->rows_.pack_paths) {
    std::shared_ptr<PackFile> pack;
    auto status = PackFile::Open(path, &pack);
    if (!status.ok()) return status;
    opened->packs_.push_back(std::move(pack));
  }
  *plan = std::move(opened);
  return Status::Ok();
}

Plan::Plan(PlanDescription description) : rows_(std::move(description)) {
  starts_.reserve(rows_.lengths.size() + 1);
  uint64_t start = 0;
  for (const auto length : rows_.lengths) {
    starts_.push_back(start);
    start += length;
  }
  starts_.push_back(start);
  for (const auto id : rows_.pack_ids) seeds_.push_back(PackIdentity{id, rows_.volume_id}.Seed());
}

Status Plan::Read(uint64_t offset, uint32_t length, ReadResult* out, Damage* damage) {
  if (offset >= size() || length == 0) return Status::Ok();
  Request request{offset, std::min(offset + length, size()), true, out, damage};
  return ReadFrom(request);
}

bool Plan::ReadAtOnce(uint64_t offset, uint32_t length, ReadResult* out) {
  if (size() > kSmallFile) return false;
  if (offset >= size() || length == 0) return true;
  Damage damage;
  Request request{offset, std::min(offset + length, size()), true, out, &damage, true};
  return ReadFrom(request).ok();
}

Status Plan::ReadFrom(Request& request) {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), request.begin);
  return ReadRange(request, static_cast<size_t>(after - starts_.begin()) - 1);
}

Status Plan::ReadChunks(size_t first, size_t last, ReadResult* out, Damage* damage) {
  Request request{starts_[first], starts_[last], false, out, damage};
  return ReadRange(request, first);
}

Status Plan::CheckChunks(size_t first, size_t last, ReadResult* out, Damage* damage) {
  Request request{starts_[first], starts_[last], false, out, damage};
  request.from_medium = true;
  return ReadRange(request, first);
}

Status Plan::ReadRange(Request& request, size_t first) {
  for (size_t chunk = first; chunk < count() && starts_[chunk] < request.end;) {
    if (IsZero(chunk)) {
      EmitZeros(request, chunk++);
      continue;
    }
    if (IsLost(chunk)) return FailLost(request);
    if (ReadCached(request, chunk)) {
      chunk++;
      continue;
    }
    auto run = RunAt(request, chunk);
    if (request.at_once && !PackOf(chunk).known()) return Status::Error(EAGAIN, "read");
    auto status = PackOf(chunk).Seed(&run.seed);
    if (!status.ok()) return Fail(request, chunk, "the pack's header is damaged");
    if (run.seed != seeds_[static_cast<size_t>(rows_.packs[chunk])]) {
      return Fail(request, chunk, "another pack lies in its place");
    }
    status = ReadRun(request, run);
    if (!status.ok()) return status;
    chunk = run.last;
  }
  return Status::Ok();
}

bool Plan::ReadCached(Request& request, size_t chunk) {
  if (!request.cached || !IsPartial(request, chunk)) return false;
  const RecordKey key{PackOf(chunk).id(), rows_.offsets[chunk]};
  auto found = FindCached(key);
  if (found.data == nullptr || found.length != rows_.lengths[chunk]) return false;
  Emit(request, chunk, found.data.get());
  request.out->owners.push_back(std::move(found.data));
  // Read to its end: what follows is in the next chunk.
  if (starts_[chunk + 1] <= request.end) DropCached(key);
  return true;
}

Plan::Run Plan::RunAt(const Request& request, size_t first) const {
  Run run{first, first + 1, rows_.stored[first], 0};
  while (run.last < count() && starts_[run.last] < request.end &&
         rows_.packs[run.last] == rows_.packs[first] &&
         rows_.offsets[run.last] == rows_.offsets[first] + run.bytes &&
         run.bytes + rows_.stored[run.last] <= kMaxRun) {
    run.bytes += rows_.stored[run.last++];
  }
  return run;
}

Status Plan::ReadRun(Request& request, const Run& run) {
  const auto buffer = TakeBuffer(run.bytes);
  size_t got = 0;
  const int fd = PackOf(run.first).fd();
  const auto offset = rows_.offsets[run.first];
  const auto status = request.at_once ? ReadCachedAt(fd, buffer.get(), run.bytes, offset, &got)
                                      : ReadAt(fd, buffer.get(), run.bytes, offset, &got);
  request.out->owners.push_back(buffer);
  for (size_t chunk = run.first; chunk < run.last; chunk++) {
    const auto end = rows_.offsets[chunk] - offset + rows_.stored[chunk];
    if (end > got) {
      return Fail(request, chunk, status.ok() ? "the pack is too short" : "the pack can't be read");
    }
    if (!DecodeRecord(request, run, chunk, buffer)) {
      return Fail(request, chunk, "the record, or one that it depends on, is damaged");
    }
  }
  return Status::Ok();
}

bool Plan::DecodeRecord(Request& request, const Run& run, size_t chunk,
                        const std::shared_ptr<uint8_t>& buffer) {
  const auto offset = rows_.offsets[chunk];
  const uint8_t* bytes = buffer.get() + (offset - rows_.offsets[run.first]);
  const uint8_t* payload = bytes + kRecordHeaderSize;
  RecordHeader header;
  if (!DecodeRecordHeader(bytes, run.seed, offset, &header) ||
      header.stored() != rows_.stored[chunk] || header.length != rows_.lengths[chunk] ||
      !PayloadIsGood(header, payload)) {
    return false;
  }
  if (header.codec == Codec::kChain) return EmitChained(request, run, chunk, header, bytes);
  if (header.codec == Codec::kAsIs) {
    Emit(request, chunk, payload);
    KeepPart(request, chunk, payload, nullptr);
    return true;
  }
  auto data = TakeBuffer(header.length);
  if (!DecodePayload(header, payload, data.get())) return false;
  Emit(request, chunk, data.get());
  KeepPart(request, chunk, data.get(), data);
  request.out->owners.push_back(std::move(data));
  return true;
}

// A chunk that depends on those before it, which are in the run or have to be read too.
bool Plan::EmitChained(Request& request, const Run& run, size_t chunk, const RecordHeader& header,
                       const uint8_t* bytes) {
  auto& pack = PackOf(chunk);
  const auto offset = rows_.offsets[chunk];
  const auto start = offset - header.before;
  const auto chain = ChainFor(request, pack, start);
  std::unique_lock lock(chain->mutex, std::defer_lock);
  const auto take = [&] {
    if (request.at_once) return lock.try_lock();
    lock.lock();
    return true;
  };
  if (!take()) return false;
  auto& decoder = chain->decoder;
  const auto run_start = rows_.offsets[run.first];
  const auto from = decoder.next();
  std::shared_ptr<uint8_t> before;
  if (from < run_start) {
    // Others may want what is decoded already, and a medium may take its time.
    lock.unlock();
    before = ReadBefore(request, pack, from, run_start);
    if (before == nullptr || !take()) return false;
  }
  const auto decode = [&] {
    auto next = decoder.next();
    if (next > offset) return true;
    if (next < run_start && !decoder.AppendAll(before.get() + (next - from), run_start, run.seed)) {
      return false;
    }
    next = decoder.next();
    // This record was checked, those before it in the run may not have been.
    return decoder.AppendAll(bytes - (offset - next), offset, run.seed) &&
           decoder.Append(header, offset, bytes + kRecordHeaderSize);
  };
  const uint8_t* data = decode() ? decoder.Find(offset, header.length) : nullptr;
  if (data == nullptr) {
    DropChain(pack.id(), start);
    return false;
  }
  if (!request.from_medium) {
    const bool to_end = starts_[chunk + 1] <= request.end;
    if (to_end && chain->ReadToEnd(offset, header.stored())) {
      DropChain(pack.id(), start);
    } else {
      ChargeChain(pack.id(), decoder);
    }
  }
  auto owner = decoder.data();
  if (header.length < decoder.capacity() / kShareOfChain) {
    owner = TakeBuffer(header.length);
    memcpy(owner.get(), data, header.length);
    data = owner.get();
  }
  Emit(request, chunk, data);
  request.out->owners.push_back(std::move(owner));
  return true;
}

// Records of a chain that the plan itself does not name; null where they can't be had.
std::shared_ptr<uint8_t> Plan::ReadBefore(const Request& request, const PackFile& pack,
                                          uint64_t from, uint64_t to) {
  const auto length = to - from;
  if (request.at_once && length > kSmallChain) return nullptr;
  if (request.from_medium && !coral::DropPages(pack.fd(), from, length).ok()) return nullptr;
  auto bytes = TakeBuffer(length);
  size_t got = 0;
  const auto status = request.at_once ? ReadCachedAt(pack.fd(), bytes.get(), length, from, &got)
                                      : ReadAt(pack.fd(), bytes.get(), length, from, &got);
  return status.ok() && got == length ? bytes : nullptr;
}

// Readers share what they decode. A check decodes what it reads.
std::shared_ptr<SharedChain> Plan::ChainFor(Request& request, const PackFile& pack,
                                            uint64_t start) {
  if (!request.from_medium) return ChainAt(pack.id(), start);
  auto& chains = request.chains;
  const auto found = std::find_if(chains.begin(), chains.end(), [&](const auto& each) {
    return each.first == pack.id() && each.second->decoder.start() == start;
  });
  if (found != chains.end()) return found->second;
  if (chains.size() == kCheckedChains) chains.erase(chains.begin());
  chains.emplace_back(pack.id(), std::make_shared<SharedChain>(start));
  return chains.back().second;
}

// Keeps a chunk that the request ends in, or that it only touches. One stored as is gets copied:
// its read buffer is far larger than the chunk.
void Plan::KeepPart(const Request& request, size_t chunk, const uint8_t* data,
                    std::shared_ptr<const uint8_t> decoded) {
  if (!request.cached || starts_[chunk + 1] <= request.end) return;
  const auto length = rows_.lengths[chunk];
  if (decoded == nullptr) {
    auto copy = TakeBuffer(length);
    memcpy(copy.get(), data, length);
    decoded = std::move(copy);
  }
  Cache({PackOf(chunk).id(), rows_.offsets[chunk]}, {std::move(decoded), length});
}

bool Plan::IsPartial(const Request& request, size_t chunk) const {
  return starts_[chunk] < request.begin || starts_[chunk + 1] > request.end;
}

void Plan::Emit(Request& request, size_t chunk, const uint8_t* data) {
  const auto from = std::max(request.begin, starts_[chunk]);
  const auto to = std::min(request.end, starts_[chunk + 1]);
  auto* start = const_cast<uint8_t*>(data + (from - starts_[chunk]));
  request.out->spans.push_back({start, static_cast<size_t>(to - from)});
}

void Plan::EmitZeros(Request& request, size_t chunk) {
  auto from = std::max(request.begin, starts_[chunk]);
  const auto to = std::min(request.end, starts_[chunk + 1]);
  while (from < to) {
    const auto step = static_cast<size_t>(std::min<uint64_t>(to - from, kZeroBlockSize));
    request.out->spans.push_back({const_cast<uint8_t*>(ZeroBlock()), step});
    from += step;
  }
}

Status Plan::Fail(Request& request, size_t chunk, const char* reason) const {
  const auto& path = PackOf(chunk).path();
  *request.damage = {true, static_cast<uint32_t>(chunk), path, reason};
  // Never half an answer.
  request.out->spans.clear();
  request.out->owners.clear();
  return Status::Error(EIO, "read", path);
}

// Nothing can heal it, so nobody waits for that.
Status Plan::FailLost(Request& request) {
  request.out->spans.clear();
  request.out->owners.clear();
  return Status::Error(EIO, "read what was lost");
}

PlanGroup Plan::GroupAt(size_t first) const {
  PlanGroup group{first, first, starts_[first], 0, IsZero(first)};
  while (group.last < count() && IsZero(group.last) == group.zero &&
         (group.length == 0 || group.length + length(group.last) <= kGroupBytes)) {
    group.length += length(group.last++);
  }
  return group;
}

Status Plan::DropPages() {
  for (size_t first = 0; first < count();) {
    if (IsZero(first) || IsLost(first)) {
      first++;
      continue;
    }
    const auto run = RunAt({0, size(), false, nullptr, nullptr}, first);
    auto status = coral::DropPages(PackOf(first).fd(), rows_.offsets[first], run.bytes);
    if (!status.ok()) return status;
    first = run.last;
  }
  return Status::Ok();
}

}  // namespace coral
