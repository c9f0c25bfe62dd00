// The pack format, version 3, in memory: src/content/README.md has it byte by byte. Pure functions.
//
// Each record's checksum covers where it lies (pack and offset), so a block that the medium returns
// from the wrong place is damage, not data.
#pragma once

#include <array>
#include <cstdint>

#include "content/hash.h"
#include "content/limits.h"

namespace coral {

// Version 1 had no planes, version 2 no chains; both are read like version 3.
inline constexpr uint32_t kPackVersion = 3;
inline constexpr uint32_t kOldestPackVersion = 1;
inline constexpr uint64_t kPackHeaderSize = 64;
inline constexpr uint64_t kPackHeaderCopy = 4096;  // Where the header stands a second time.
inline constexpr uint64_t kFirstRecord = 8192;
inline constexpr uint32_t kRecordHeaderSize = 64;
inline constexpr uint64_t kIndexEntrySize = 48;
inline constexpr uint64_t kPackFooterSize = 64;

struct PackIdentity {
  uint64_t pack_id = 0;
  std::array<uint8_t, 16> volume_id = {};

  // What binds a record's checksum to its pack.
  uint64_t Seed() const;
};

// The payloads of a chain, one after the other, are one zstd frame without an end. Each ends with a
// block, so that a chunk can be decoded from its own and those before.
enum class Codec : uint8_t { kAsIs = 0, kZstd = 1, kChain = 2 };

struct RecordHeader {
  Codec codec = Codec::kAsIs;
  uint8_t planes = 0;     // 2 or 4: what was compressed are so many byte planes of the chunk.
  uint32_t length = 0;    // Bytes of the chunk, decoded.
  uint32_t payload = 0;   // Bytes that follow the header.
  Hash hash = {};         // SHA-256 of the decoded chunk.
  uint64_t checksum = 0;  // XXH3-64 of the payload.
  uint32_t before = 0;    // Of a chain: bytes of its records before this one; they have no gaps.

  uint32_t stored() const { return kRecordHeaderSize + payload; }
};

struct IndexEntry {
  Hash hash = {};
  uint64_t offset = 0;
  uint32_t stored = 0;
  uint32_t length = 0;
};

struct PackFooter {
  PackIdentity identity;
  uint32_t count = 0;
  uint64_t index_offset = 0;
  uint64_t index_checksum = 0;
};

enum class HeaderState { kValid, kInvalid, kOtherVersion };

using RecordHeaderBytes = std::array<uint8_t, kRecordHeaderSize>;

uint64_t Checksum(const void* data, size_t length);

void EncodePackHeader(const PackIdentity& identity, uint8_t* bytes);
HeaderState DecodePackHeader(const uint8_t* bytes, PackIdentity* identity);

void EncodeRecordHeader(const RecordHeader& header, uint64_t seed, uint64_t offset, uint8_t* bytes);
// False unless the bytes are a header that was written for this pack and offset, within all limits.
bool DecodeRecordHeader(const uint8_t* bytes, uint64_t seed, uint64_t offset, RecordHeader* header);
// Where a record may start: the next position in `bytes` with a record's magic, or `length`.
uint64_t FindRecordMagic(const uint8_t* bytes, uint64_t length);

void EncodeIndexEntry(const IndexEntry& entry, uint8_t* bytes);
IndexEntry DecodeIndexEntry(const uint8_t* bytes);

void EncodePackFooter(const PackFooter& footer, uint8_t* bytes);
// `kInvalid` also where the footer's own numbers don't fit a pack of `file_length` bytes.
HeaderState DecodePackFooter(const uint8_t* bytes, uint64_t file_length, PackFooter* footer);

}  // namespace coral
