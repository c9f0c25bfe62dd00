#include "content/pack_format.h"

#include <string.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>

#include "content/checksum_avx2.h"

namespace coral {

namespace {

static_assert(std::endian::native == std::endian::little, "packs are little endian");

constexpr uint8_t kPackMagic[8] = {'C', 'R', 'P', 'A', 'C', 'K', 0x1A, '\n'};
constexpr uint8_t kFooterMagic[8] = {'C', 'R', 'S', 'E', 'A', 'L', 0x1A, '\n'};
constexpr uint8_t kRecordMagic[4] = {0xC0, 'R', 'C', 0xEE};

template <typename T>
void Put(uint8_t* bytes, size_t at, const T& value) {
  memcpy(bytes + at, &value, sizeof value);
}

template <typename T>
T Get(const uint8_t* bytes, size_t at) {
  T value;
  memcpy(&value, bytes + at, sizeof value);
  return value;
}

bool IsZero(const uint8_t* bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

bool IsKnown(uint32_t version) { return version >= kOldestPackVersion && version <= kPackVersion; }

uint64_t RecordChecksum(const uint8_t* bytes, uint64_t seed, uint64_t offset) {
  return XXH3_64bits_withSeed(bytes, 56, seed + offset);
}

// Three bytes, little endian.
uint32_t Get24(const uint8_t* bytes, size_t at) {
  return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16;
}

bool IsPlausible(const RecordHeader& header) {
  if (header.length == 0 || header.length > kMaxChunk || header.payload == 0) return false;
  switch (header.codec) {
    case Codec::kAsIs:
      return header.payload == header.length && header.planes == 0;
    case Codec::kZstd:
      return header.payload < header.length &&
             (header.planes == 0 || header.planes == 2 || header.planes == 4);
    case Codec::kChain:
      // A block that does not shrink is a little longer.
      return header.length <= kMaxChain && header.payload <= header.length + kChainOverhead &&
             header.before < kMaxStoredChain;
  }
  return false;
}

}  // namespace

uint64_t Checksum(const void* data, size_t length) {
  return HasAvx2() ? ChecksumAvx2(data, length) : XXH3_64bits(data, length);
}

uint64_t PackIdentity::Seed() const {
  uint8_t bytes[24];
  Put(bytes, 0, volume_id);
  Put(bytes, 16, pack_id);
  return XXH3_64bits(bytes, sizeof bytes);
}

void EncodePackHeader(const PackIdentity& identity, uint8_t* bytes) {
  memset(bytes, 0, kPackHeaderSize);
  memcpy(bytes, kPackMagic, sizeof kPackMagic);
  Put(bytes, 8, kPackVersion);
  Put(bytes, 12, static_cast<uint32_t>(kFirstRecord));
  Put(bytes, 16, identity.pack_id);
  Put(bytes, 24, identity.volume_id);
  Put(bytes, 56, Checksum(bytes, 56));
}

HeaderState DecodePackHeader(const uint8_t* bytes, PackIdentity* identity) {
  if (memcmp(bytes, kPackMagic, sizeof kPackMagic) != 0) return HeaderState::kInvalid;
  if (Get<uint64_t>(bytes, 56) != Checksum(bytes, 56)) return HeaderState::kInvalid;
  if (!IsKnown(Get<uint32_t>(bytes, 8))) return HeaderState::kOtherVersion;
  if (Get<uint32_t>(bytes, 12) != kFirstRecord) return HeaderState::kInvalid;
  if (!IsZero(bytes + 40, 16)) return HeaderState::kInvalid;
  identity->pack_id = Get<uint64_t>(bytes, 16);
  identity->volume_id = Get<std::array<uint8_t, 16>>(bytes, 24);
  return HeaderState::kValid;
}

void EncodeRecordHeader(const RecordHeader& header, uint64_t seed, uint64_t offset,
                        uint8_t* bytes) {
  memset(bytes, 0, kRecordHeaderSize);
  memcpy(bytes, kRecordMagic, sizeof kRecordMagic);
  Put(bytes, 4, header.codec);
  Put(bytes, 5, header.planes);
  if (header.codec == Codec::kChain) memcpy(bytes + 5, &header.before, 3);
  Put(bytes, 8, header.length);
  Put(bytes, 12, header.payload);
  Put(bytes, 16, header.hash);
  Put(bytes, 48, header.checksum);
  Put(bytes, 56, RecordChecksum(bytes, seed, offset));
}

bool DecodeRecordHeader(const uint8_t* bytes, uint64_t seed, uint64_t offset,
                        RecordHeader* header) {
  if (memcmp(bytes, kRecordMagic, sizeof kRecordMagic) != 0) return false;
  if (Get<uint64_t>(bytes, 56) != RecordChecksum(bytes, seed, offset)) return false;
  header->codec = static_cast<Codec>(bytes[4]);
  const bool chained = header->codec == Codec::kChain;
  if (!chained && !IsZero(bytes + 6, 2)) return false;
  header->planes = chained ? 0 : bytes[5];
  header->before = chained ? Get24(bytes, 5) : 0;
  if (header->before > offset - std::min(offset, kFirstRecord)) return false;
  header->length = Get<uint32_t>(bytes, 8);
  header->payload = Get<uint32_t>(bytes, 12);
  header->hash = Get<Hash>(bytes, 16);
  header->checksum = Get<uint64_t>(bytes, 48);
  return IsPlausible(*header);
}

uint64_t FindRecordMagic(const uint8_t* bytes, uint64_t length) {
  const void* found = memmem(bytes, length, kRecordMagic, sizeof kRecordMagic);
  return found == nullptr ? length
                          : static_cast<uint64_t>(static_cast<const uint8_t*>(found) - bytes);
}

void EncodeIndexEntry(const IndexEntry& entry, uint8_t* bytes) {
  Put(bytes, 0, entry.hash);
  Put(bytes, 32, entry.offset);
  Put(bytes, 40, entry.stored);
  Put(bytes, 44, entry.length);
}

IndexEntry DecodeIndexEntry(const uint8_t* bytes) {
  return {Get<Hash>(bytes, 0), Get<uint64_t>(bytes, 32), Get<uint32_t>(bytes, 40),
          Get<uint32_t>(bytes, 44)};
}

void EncodePackFooter(const PackFooter& footer, uint8_t* bytes) {
  memcpy(bytes, kFooterMagic, sizeof kFooterMagic);
  Put(bytes, 8, kPackVersion);
  Put(bytes, 12, footer.count);
  Put(bytes, 16, footer.index_offset);
  Put(bytes, 24, footer.index_checksum);
  Put(bytes, 32, footer.identity.pack_id);
  Put(bytes, 40, footer.identity.volume_id);
  Put(bytes, 56, Checksum(bytes, 56));
}

HeaderState DecodePackFooter(const uint8_t* bytes, uint64_t file_length, PackFooter* footer) {
  if (memcmp(bytes, kFooterMagic, sizeof kFooterMagic) != 0) return HeaderState::kInvalid;
  if (Get<uint64_t>(bytes, 56) != Checksum(bytes, 56)) return HeaderState::kInvalid;
  if (!IsKnown(Get<uint32_t>(bytes, 8))) return HeaderState::kOtherVersion;
  footer->count = Get<uint32_t>(bytes, 12);
  footer->index_offset = Get<uint64_t>(bytes, 16);
  footer->index_checksum = Get<uint64_t>(bytes, 24);
  footer->identity.pack_id = Get<uint64_t>(bytes, 32);
  footer->identity.volume_id = Get<std::array<uint8_t, 16>>(bytes, 40);
  const uint64_t tail = footer->count * kIndexEntrySize + kPackFooterSize;
  const bool fits =
      file_length >= kFirstRecord + tail && footer->index_offset == file_length - tail;
  return fits ? HeaderState::kValid : HeaderState::kInvalid;
}

}  // namespace coral
