#include "content/record_copy.h"

#include <algorithm>
#include <cstring>

#include "io/copy_buffer.h"
#include "io/copy_bytes.h"
#include "io/copy_rate.h"

namespace coral {

namespace {

// How many records at the begin of a run are of a chain that begins before it.
size_t Dependent(uint64_t start, const std::vector<EncodedChunk>& chunks) {
  uint64_t offset = start;
  size_t count = 0;
  for (const auto& [header, payload, owner] : chunks) {
    if (header.codec != Codec::kChain || offset - header.before >= start) break;
    offset += header.stored();
    count++;
  }
  return count;
}

// How many of a run's records come before its last chain; all, where that begins the run or before.
size_t WithoutLastChain(const std::vector<EncodedChunk>& chunks) {
  size_t first = chunks.size() - 1;
  while (first > 0 && chunks[first].header.before > 0) first--;
  const auto& header = chunks[first].header;
  const bool begins = header.codec == Codec::kChain && header.before == 0;
  return begins && first > 0 ? first : chunks.size();
}

// What was encoded anew has new checksums: that it is right nobody will ever see again.
bool DecodeTo(const std::vector<EncodedChunk>& chunks, const std::vector<DecodedChunk>& expected) {
  std::optional<ChainDecoder> chain;
  uint64_t at = 0;
  for (size_t i = 0; i < chunks.size(); i++) {
    const auto& [header, payload, owner] = chunks[i];
    const auto buffer = TakeBuffer(header.length);
    const uint8_t* data = buffer.get();
    if (header.codec != Codec::kChain) {
      if (!DecodePayload(header, payload, buffer.get())) return false;
    } else {
      if (header.before == 0) chain.emplace(at);
      if (!chain || !chain->Append(header, at, payload)) return false;
      data = chain->Find(at, header.length);
    }
    const auto& wanted = expected[i].data;
    if (header.length != wanted.size() || memcmp(data, wanted.data(), wanted.size()) != 0) {
      return false;
    }
    at += header.stored();
  }
  return true;
}

}  // namespace

Status RecordCopy::Next(std::vector<EncodedChunk>* chunks) {
  while (chunks->empty() && next_ < records_.offsets.size()) {
    Run run;
    auto status = ReadRun(&run);
    if (!status.ok()) return status;
    const auto count = Dependent(run.start, run.chunks);
    const auto start = count == 0 ? 0 : run.start - run.chunks.front().header.before;
    const bool goes_on = chain_ && chain_->start() == start && chain_->next() <= run.start;
    if (!goes_on) status = EncodeUnchained(chunks);
    if (status.ok() && count > 0) status = Unchain(run, count);
    if (!status.ok()) return status;
    if (count == run.chunks.size()) continue;
    status = EncodeUnchained(chunks);
    if (!status.ok()) return status;
    std::move(run.chunks.begin() + static_cast<ptrdiff_t>(count), run.chunks.end(),
              std::back_inserter(*chunks));
  }
  return chunks->empty() ? EncodeUnchained(chunks) : Status::Ok();
}

Status RecordCopy::ReadRun(Run* run) {
  const auto& [offsets, stored] = records_;
  size_t end = next_ + 1;
  uint64_t length = stored[next_];
  run->start = offsets[next_];
  while (end < offsets.size() && offsets[end] == run->start + length &&
         length + stored[end] <= kMaxRun) {
    length += stored[end++];
  }
  if (length > kRecordHeaderSize + kMaxRun) return Damaged("record length");
  std::shared_ptr<uint8_t> buffer;
  auto status = ReadBytes(run->start, length, &buffer);
  if (!status.ok()) return status;
  for (size_t i = next_; i < end; i++) {
    const uint8_t* bytes = buffer.get() + (offsets[i] - run->start);
    RecordHeader header;
    if (stored[i] <= kRecordHeaderSize || !DecodeRecordHeader(bytes, seed_, offsets[i], &header) ||
        header.stored() != stored[i] || !PayloadIsGood(header, bytes + kRecordHeaderSize)) {
      return Damaged("record");
    }
    run->chunks.push_back({header, bytes + kRecordHeaderSize, buffer});
  }
  // A chain that goes on behind the run is for the next one.
  if (end < offsets.size() && offsets[end] == run->start + length) {
    run->chunks.resize(WithoutLastChain(run->chunks));
  }
  next_ += run->chunks.size();
  for (const auto& chunk : run->chunks) control_.Add(chunk.header.stored());
  return Status::Ok();
}

// Decodes the first chunks of a run, which depend on records before it.
Status RecordCopy::Unchain(const Run& run, size_t count) {
  if (!chain_) chain_.emplace(run.start - run.chunks.front().header.before);
  const auto from = chain_->next();
  if (from < run.start) {
    std::shared_ptr<uint8_t> before;
    auto status = ReadBytes(from, run.start - from, &before);
    if (!status.ok()) return status;
    if (!chain_->AppendAll(before.get(), run.start, seed_)) return Damaged("chain");
  }
  for (size_t i = 0; i < count; i++) {
    const auto& [header, payload, owner] = run.chunks[i];
    const auto offset = chain_->next();
    if (!chain_->Append(header, offset, payload)) return Damaged("chain");
    const std::span data(chain_->Find(offset, header.length), header.length);
    if (Sha256(data.data(), data.size()) != header.hash) return Damaged("record");
    unchained_.push_back({header.hash, data, chain_->data()});
  }
  return Status::Ok();
}

Status RecordCopy::EncodeUnchained(std::vector<EncodedChunk>* chunks) {
  chain_.reset();
  if (unchained_.empty()) return Status::Ok();
  auto encoded = EncodeAgain(unchained_);
  // Of the pack that is written: the source is as good as it was.
  if (!DecodeTo(encoded, unchained_)) return Status::Error(EIO, "encode again", source_.path());
  unchained_.clear();
  std::move(encoded.begin(), encoded.end(), std::back_inserter(*chunks));
  return Status::Ok();
}

Status RecordCopy::ReadBytes(uint64_t offset, uint64_t length, std::shared_ptr<uint8_t>* bytes) {
  auto status = PassBackground(length, &control_);
  if (!status.ok()) return status;
  *bytes = TakeBuffer(length);
  size_t got = 0;
  status = ReadAt(source_.fd(), bytes->get(), length, offset, &got);
  if (!status.ok()) {
    // EIO is about the pack that is written: whoever gets it gives that one up.
    const auto error = status.error() == EIO ? EBADMSG : status.error();
    return Status::Error(error, status.syscall(), source_.path());
  }
  return got == length ? Status::Ok() : Damaged("record beyond the end");
}

}  // namespace coral
